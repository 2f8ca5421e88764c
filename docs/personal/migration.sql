-- There are no organizations: everybody owns the one that is themselves. Run it after Babelon's migration.
set local lock_timeout = '5s';
create or replace view babelon_private.organizations as
select u.id, coalesce(u.email, u.phone, u.id::text)::text as name from auth.users u where u.deleted_at is null;

create or replace view babelon_private.memberships as
select u.id as organization_id, u.id as user_id, 'owner'::babelon.member_role as role
  from auth.users u where u.deleted_at is null;

alter table babelon_private.api_tokens drop constraint api_tokens_organization_id_fkey,
  add constraint api_tokens_organization_id_fkey foreign key (organization_id) references auth.users (id) on delete cascade;
drop table babelon_private.own_memberships, babelon_private.own_organizations;

-- Whoever may not sign in any more has no token either: an account that Auth marks as deleted, or that is banned.
create function public.revoke_tokens_of_user() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform babelon_private.revoke_organization(new.id);
  return null;
end $$;
create trigger users_revoke_tokens after update of deleted_at, banned_until on auth.users
  for each row when (new.deleted_at is not null or new.banned_until > now()) execute function public.revoke_tokens_of_user();
