-- Who is calling: a token, a person, the service role, or nobody.
--
-- The role that PostgREST switched to is the proof. It is read with current_setting('role') and not
-- current_user, because inside a definer function current_user is the definer.
-- A token's organization and role come from its own row, through settings that only the hook makes.

create function babelon_private.caller_kind()
returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select case
    when current_setting('role') = 'babelon_token' then 'token'
    when current_setting('role') = 'service_role'  then 'service'
    when auth.uid() is not null                    then 'user'
  end
$$;

create function babelon.tenant_id()
returns uuid
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select nullif(current_setting('babelon.tenant_id', true), '')::uuid
   where current_setting('role') = 'babelon_token'
$$;

-- Definer: memberships are filtered by policies that call this very function.
create function babelon_private.caller_roles()
returns table (organization_id uuid, role babelon.member_role)
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
  select babelon.tenant_id(), nullif(current_setting('babelon.role', true), '')::babelon.member_role
   where babelon_private.caller_kind() = 'token'
  union all
  select m.organization_id, m.role
    from babelon_private.memberships m
   where babelon_private.caller_kind() = 'user'
     and m.user_id = auth.uid()
$$;

create function babelon.tenant_ids(minimum_role babelon.member_role default 'viewer')
returns setof uuid
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select r.organization_id from babelon_private.caller_roles() r where r.role >= minimum_role
$$;

create function babelon.has_role(tenant uuid, minimum_role babelon.member_role)
returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select tenant is not null and tenant in (select babelon.tenant_ids(minimum_role))
$$;

comment on function babelon.tenant_id is
  'The organization of the token that is calling; NULL for a person. Good as a column default: tenant_id uuid default babelon.tenant_id().';
comment on function babelon.tenant_ids is
  'The organizations in which the caller, a person or a token, has at least this role. For policies: using (tenant_id in (select babelon.tenant_ids(''viewer''))).';
comment on function babelon.has_role is
  'Whether the caller, a person or a token, has at least this role in this organization. Never NULL.';

-- The guard of every function that acts on an organization: which one the caller means, and may they?
-- Unknown and not-yours are the same answer, so that nobody can probe for organizations.
create function babelon_private.require_role(organization_id uuid, minimum_role babelon.member_role)
returns uuid
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  kind   constant text := babelon_private.caller_kind();
  own    constant uuid[] := array(select babelon.tenant_ids());
  chosen constant uuid := coalesce(organization_id, case when cardinality(own) = 1 then own[1] end);
begin
  if kind is null then
    perform babelon_private.raise_error('BBL_UNAUTHENTICATED', 'authentication is required',
      'Send X-Client-Id and X-Api-Token, or sign in.');
  elsif chosen is null and kind = 'user' and cardinality(own) = 0 then
    perform babelon_private.raise_error('BBL_NOT_FOUND', 'you belong to no organization',
      'Create one with create_organization, or ask an admin to add you.');
  elsif chosen is null then
    perform babelon_private.raise_error('BBL_ORGANIZATION_REQUIRED', 'organization_id is required',
      'Name one of yours; the view organizations lists them.');
  elsif chosen <> all (own)
        and not (kind = 'service' and exists (select from babelon_private.organizations o where o.id = chosen)) then
    perform babelon_private.raise_error('BBL_NOT_FOUND', 'no such organization');
  elsif kind <> 'service' and not babelon.has_role(chosen, minimum_role) then
    perform babelon_private.raise_error('BBL_FORBIDDEN', format('this needs the role %s or higher', minimum_role));
  end if;
  return chosen;
end
$$;
