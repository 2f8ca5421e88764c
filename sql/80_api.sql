-- The functions of the API. Each runs as its caller, makes sure that a pair has been verified also where
-- the hook is not installed, and hands over to the definer of the same name, which guards itself.
-- They are volatile so that PostgREST calls them in a read-write transaction, where the use is recorded. A GET is read-only
-- all the same, and works on a read replica: whoami and list_api_tokens write nothing then.

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

create function babelon.rename_organization(name text, organization_id uuid default null)
returns babelon.organizations
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  select babelon_private.authenticate_request();
  select babelon_private.rename_organization(organization_id, name);
$$;

-- NOTE: organization_id has no default, so that nobody deletes the only one they have by leaving it out.
create function babelon.delete_organization(organization_id uuid)
returns void
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  select babelon_private.authenticate_request();
  select babelon_private.delete_organization(organization_id);
$$;

create function babelon.set_member(
  email text default null, role babelon.member_role default null, organization_id uuid default null, user_id uuid default null)
returns babelon.members
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  select babelon_private.authenticate_request();
  select babelon_private.set_member(email, role, organization_id, user_id);
$$;

create function babelon.remove_member(email text default null, organization_id uuid default null, user_id uuid default null)
returns void
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  select babelon_private.authenticate_request();
  select babelon_private.remove_member(email, organization_id, user_id);
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
returns setof babelon_private.api_token_summaries
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  select babelon_private.authenticate_request();
  select * from babelon_private.list_api_tokens(organization_id);
$$;

create function babelon.revoke_api_token(client_id text)
returns babelon_private.api_token_summaries
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  select babelon_private.authenticate_request();
  select babelon_private.revoke_api_token(client_id);
$$;

comment on function babelon.whoami is
  'Who the caller is: a token, a person, or the service role. On a read replica call it by GET. Errors: BBL_UNAUTHENTICATED.';
comment on function babelon.create_organization is
  'Creates an organization with the signed-in caller as its owner. name: 1 to 100 visible characters. Errors: BBL_UNAUTHENTICATED, BBL_SESSION_ENDED, BBL_MFA_REQUIRED, BBL_FORBIDDEN (not a person), BBL_INVALID_INPUT.';
comment on function babelon.rename_organization is
  'Renames an organization. name: 1 to 100 visible characters. For admins; not for tokens. Errors: BBL_SESSION_ENDED, BBL_MFA_REQUIRED, BBL_FORBIDDEN, BBL_NOT_FOUND, BBL_INVALID_INPUT.';
comment on function babelon.delete_organization is
  'Deletes an organization with its members and tokens, and what of the project''s data goes with it; its tokens stop working at once. For owners. Errors: BBL_SESSION_ENDED, BBL_MFA_REQUIRED, BBL_FORBIDDEN, BBL_NOT_FOUND, BBL_CONFLICT (data that does not go with it).';
comment on function babelon.set_member is
  'Adds somebody who has signed up, or changes a member''s role. Who: either email, of exactly one who has confirmed it, or user_id. For admins, and for owners where an owner is concerned; an admin may become owner where no owner''s account is left. Not for tokens. organization_id may be left out by a person in exactly one. Errors: BBL_SESSION_ENDED, BBL_MFA_REQUIRED, BBL_FORBIDDEN, BBL_INVALID_INPUT, BBL_NOT_FOUND, BBL_CONFLICT (last owner, or several people of one email).';
comment on function babelon.remove_member is
  'Removes a member, by email or by user_id; their tokens stay, as the organization''s. For admins, for owners where an owner is concerned, and for everybody to leave themselves; not for tokens. Errors: as set_member.';
comment on function babelon.generate_api_token is
  'Makes a token pair for an organization; the one response with its secret. role: viewer, member (default) or admin. A retry with the same request_id gives the same client_id a new secret. For admins. Errors: BBL_SESSION_ENDED, BBL_MFA_REQUIRED, BBL_FORBIDDEN, BBL_INVALID_INPUT, BBL_ORGANIZATION_REQUIRED, BBL_NOT_FOUND, BBL_CONFLICT (request_id).';
comment on function babelon.list_api_tokens is
  'The tokens of an organization, active ones first, newest first; never a secret. Read a long list by its key: order=client_id&client_id=gt.<the last one>. Collects usage first, within a budget, when called by POST. For viewers. Errors: BBL_ORGANIZATION_REQUIRED, BBL_NOT_FOUND.';
comment on function babelon.revoke_api_token is
  'Revokes a token, at once and for good; doing it again changes nothing. For admins. Errors: BBL_SESSION_ENDED, BBL_MFA_REQUIRED, BBL_FORBIDDEN, BBL_NOT_FOUND (unknown, or another organization''s).';
