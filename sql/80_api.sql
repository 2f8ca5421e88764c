-- The functions of the API. Each runs as its caller, makes sure that a pair has been verified also where
-- the hook is not installed, and hands over to the definer of the same name, which guards itself.
-- They are volatile so that PostgREST calls them in a read-write transaction, where the use is recorded.

create type babelon.identity as (
  kind              text,
  organization_id   uuid,
  organization_name text,
  role              babelon.member_role,
  client_id         text,
  token_name        text,
  user_id           uuid,
  email             text
);
comment on type babelon.identity is
  'kind is token, user or service. A token has an organization, role, client_id and token_name; a person has user_id and email, and organization and role when in exactly one organization.';

create function babelon_private.whoami()
returns babelon.identity
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  me babelon.identity;
begin
  me.kind := babelon_private.caller_kind();

  if me.kind = 'token' then
    select t.client_id, t.name into me.client_id, me.token_name
      from babelon_private.api_tokens t
     where t.id = nullif(current_setting('babelon.token_id', true), '')::uuid;
  elsif me.kind = 'user' then
    select u.id, u.email into me.user_id, me.email from auth.users u where u.id = auth.uid();
  end if;
  if me.kind is null or me.kind = 'user' and me.user_id is null then
    perform babelon_private.raise_error('BBL_UNAUTHENTICATED', 'authentication is required',
      'Send X-Client-Id and X-Api-Token, or sign in.');
  end if;

  if (select count(*) from babelon.tenant_ids()) = 1 then
    select o.id, o.name, r.role into me.organization_id, me.organization_name, me.role
      from babelon_private.caller_roles() r
      join babelon_private.organizations o on o.id = r.organization_id;
  end if;
  return me;
end
$$;

create function babelon.whoami()
returns babelon.identity
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  select babelon_private.authenticate_request();
  select babelon_private.whoami();
$$;

create function babelon.create_organization(name text)
returns babelon.organizations
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  select babelon_private.authenticate_request();
  select babelon_private.create_organization(name);
$$;

create function babelon.set_member(email text, role babelon.member_role, organization_id uuid default null)
returns babelon.members
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  select babelon_private.authenticate_request();
  select babelon_private.set_member(email, role, organization_id);
$$;

create function babelon.remove_member(email text, organization_id uuid default null)
returns void
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  select babelon_private.authenticate_request();
  select babelon_private.remove_member(email, organization_id);
$$;

create function babelon.generate_api_token(
  name text, organization_id uuid default null, role babelon.member_role default 'member', request_id uuid default null)
returns babelon.api_token_pair
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  select babelon_private.authenticate_request();
  select babelon_private.generate_api_token(name, organization_id, role, request_id);
$$;

create function babelon.list_api_tokens(organization_id uuid default null)
returns setof babelon.api_token
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  select babelon_private.authenticate_request();
  select * from babelon_private.list_api_tokens(organization_id);
$$;

create function babelon.revoke_api_token(client_id text)
returns babelon.api_token
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  select babelon_private.authenticate_request();
  select babelon_private.revoke_api_token(client_id);
$$;

comment on function babelon.whoami is
  'Who the caller is: a token, a person, or the service role. Errors: BBL_UNAUTHENTICATED.';
comment on function babelon.create_organization is
  'Creates an organization with the signed-in caller as its owner. name: 1 to 100 visible characters. Errors: BBL_UNAUTHENTICATED, BBL_FORBIDDEN (not a person), BBL_INVALID_INPUT.';
comment on function babelon.set_member is
  'Adds somebody who has signed up, by email, or changes their role. For admins, and for owners where an owner is concerned; not for tokens. organization_id may be left out by a person in exactly one. Errors: BBL_FORBIDDEN, BBL_NOT_FOUND, BBL_CONFLICT (last owner).';
comment on function babelon.remove_member is
  'Removes a member by email; their tokens stay, as the organization''s. For admins, for owners where an owner is concerned, and for everybody to leave themselves; not for tokens. Errors: BBL_FORBIDDEN, BBL_NOT_FOUND, BBL_CONFLICT (last owner).';
comment on function babelon.generate_api_token is
  'Makes a token pair for an organization; the one response with its secret. role: viewer, member (default) or admin. A retry with the same request_id gives the same client_id a new secret. For admins. Errors: BBL_FORBIDDEN, BBL_INVALID_INPUT, BBL_ORGANIZATION_REQUIRED, BBL_NOT_FOUND, BBL_CONFLICT (request_id).';
comment on function babelon.list_api_tokens is
  'The tokens of an organization, active ones first, newest first; never a secret. Collects usage first, within a budget, when called by POST. For viewers. Errors: BBL_ORGANIZATION_REQUIRED, BBL_NOT_FOUND.';
comment on function babelon.revoke_api_token is
  'Revokes a token, at once and for good; doing it again changes nothing. For admins. Errors: BBL_FORBIDDEN, BBL_NOT_FOUND (unknown, or another organization''s).';

-- Installs the hook, and leaves another one alone: there is one slot.
do $$
declare
  ours constant text := 'babelon_private.authenticate_request';
  installed text := (
    select split_part(setting, '=', 2)
      from pg_catalog.pg_db_role_setting s, unnest(s.setconfig) as setting
     where s.setrole = 'authenticator'::regrole
       and s.setdatabase in (0, (select oid from pg_catalog.pg_database where datname = current_database()))
       and setting like 'pgrst.db_pre_request=%'
     order by s.setdatabase desc  -- this database's own setting wins over the role's
     limit 1);
begin
  if coalesce(installed, '') in ('', ours) then
    execute format('alter role authenticator set pgrst.db_pre_request = %L', ours);
  else
    raise warning 'the pre-request hook % stays installed; token pairs are verified only by babelon''s own functions', installed
      using hint = 'Make it security invoker and let it call babelon_private.authenticate_request() first.';
  end if;
end
$$;

notify pgrst, 'reload config';
notify pgrst, 'reload schema';
