-- Everything that anybody but the owner may do, on one page. Nothing is granted by default: the first statements take back
-- what a project's default privileges have granted.
--
-- anon, authenticated and service_role are Supabase's; babelon_token is a request with a verified pair.
-- anon may call the functions, so that their answer says to authenticate.

revoke all on schema babelon, babelon_private from public, anon, authenticated, service_role, babelon_token;
revoke all on all tables    in schema babelon, babelon_private from public, anon, authenticated, service_role, babelon_token;
revoke all on all sequences in schema babelon, babelon_private from public, anon, authenticated, service_role, babelon_token;
revoke all on all functions in schema babelon, babelon_private from public, anon, authenticated, service_role, babelon_token;

grant usage on schema babelon, babelon_private to anon, authenticated, service_role, babelon_token;

-- The API.
grant execute on function
  babelon.whoami(),
  babelon.create_organization(text),
  babelon.rename_organization(text, uuid),
  babelon.delete_organization(uuid),
  babelon.set_member(text, babelon.member_role, uuid, uuid),
  babelon.remove_member(text, uuid, uuid),
  babelon.generate_api_token(text, uuid, babelon.member_role, uuid),
  babelon.list_api_tokens(uuid),
  babelon.revoke_api_token(text),
  babelon.tenant_id(),
  babelon.tenant_ids(babelon.member_role)
to anon, authenticated, service_role, babelon_token;

-- What the hook and the functions above hand over to. Not exposed, and each guards itself.
grant execute on function
  babelon_private.authenticate_request(),
  babelon_private.verify_request(),
  babelon_private.caller_roles(),
  babelon_private.whoami(),
  babelon_private.create_organization(text),
  babelon_private.rename_organization(uuid, text),
  babelon_private.delete_organization(uuid),
  babelon_private.set_member(text, babelon.member_role, uuid, uuid),
  babelon_private.remove_member(text, uuid, uuid),
  babelon_private.generate_api_token(text, uuid, babelon.member_role, uuid),
  babelon_private.list_api_tokens(uuid),
  babelon_private.revoke_api_token(text)
to anon, authenticated, service_role, babelon_token;

-- Organizations and members, read through their views.
-- NOTE: anon reads neither, and nobody writes either: the functions above do.
grant select on babelon.organizations, babelon.members
  to authenticated, service_role, babelon_token;
grant execute on function babelon_private.caller_organizations(), babelon_private.caller_members()
  to authenticated, service_role, babelon_token;

-- NOTE: no table is granted to anybody. Only functions read and write them.
-- NOTE: what is not named here runs only inside definers, or is the operator's: enable_usage_journal, disable_usage_journal,
-- revoke_organization, purge_api_tokens.
