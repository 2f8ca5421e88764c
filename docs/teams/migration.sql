-- The organizations of Babelon are this project's teams. Run it after Babelon's migration.
set local lock_timeout = '5s';
create or replace view babelon_private.organizations as
select t.id, t.name from public.teams t where t.deleted_at is null;

create or replace view babelon_private.memberships as
select m.team_id as organization_id, m.user_id,
       case m.role when 'owner' then 'owner' when 'manager' then 'admin' when 'editor' then 'member'
                   when 'guest' then 'viewer' end::babelon.member_role as role  -- any other role: no access
  from public.team_members m join public.teams t on t.id = m.team_id
 where t.deleted_at is null;

alter table babelon_private.api_tokens drop constraint api_tokens_organization_id_fkey,
  add constraint api_tokens_organization_id_fkey foreign key (organization_id) references public.teams (id) on delete cascade;
drop table babelon_private.own_memberships, babelon_private.own_organizations;

-- A team is deleted by a mark, and its tokens must end with it.
create function public.revoke_tokens_of_team() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform babelon_private.revoke_organization(new.id);
  return null;
end $$;
create trigger teams_revoke_tokens after update of deleted_at on public.teams
  for each row when (new.deleted_at is not null) execute function public.revoke_tokens_of_team();
