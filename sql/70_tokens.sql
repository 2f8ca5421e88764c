-- Generating, listing and revoking token pairs.

create function babelon_private.random_hex(bytes int)
returns text
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  -- gen_random_uuid() draws from the server's CSPRNG but fixes 6 of its 128 bits; hashing two of them leaves none fixed.
  select encode(substr(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 1, bytes), 'hex')
$$;

create type babelon.api_token_pair as (
  client_id       text,
  api_token       text,
  name            text,
  role            babelon.member_role,
  organization_id uuid,
  created_at      timestamptz
);
comment on type babelon.api_token_pair is 'A new token pair. api_token is the secret: it is in this one response and cannot be shown again.';

-- Every token as lists show it. The functions below return this view's row type.
create view babelon_private.api_token_summaries as
select t.organization_id,
       t.client_id,
       t.name,
       t.role,
       t.state,
       t.created_at,
       t.created_by,
       m.role as created_by_role,
       case when m.role is not null then (select u.email from auth.users u where u.id = t.created_by)::text end as created_by_email,
       used.last_used_at,
       used.uses,
       used.last_denied_at,
       used.denials,
       j.as_of as usage_as_of,
       case when t.created_at < j.complete_since then j.complete_since end as usage_missing_before,
       t.revoked_at
  from babelon_private.api_token_states t
  left join babelon_private.memberships m on m.organization_id = t.organization_id and m.user_id = t.created_by
  left join babelon_private.usage_journal j on true
 cross join lateral (
   select max(c.last_used_at) as last_used_at, coalesce(sum(c.uses), 0)::bigint as uses,
          max(c.last_denied_at) as last_denied_at, coalesce(sum(c.denials), 0)::bigint as denials
     from babelon_private.api_token_uses c
    where c.token_id = t.id) used;

comment on view babelon_private.api_token_summaries is
  'A token as lists show it, never with its secret. created_by_role and created_by_email are what its maker is in the organization today; NULL when no longer a member, or when no person made it. uses and last_used_at are exact up to usage_as_of; where that is NULL no journal is kept, and read-only requests (GET, HEAD) are not in them. Uses before usage_missing_before may be missing: the journal was switched on then, or lost its slot. denials: requests with the right secret after it was revoked.';

create function babelon_private.generate_api_token(
  name text, organization_id uuid, role babelon.member_role, request_id uuid)
returns babelon.api_token_pair
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  organization constant uuid := babelon_private.require_manager(organization_id);
  secret       constant text := 'bbl_tok_' || babelon_private.random_hex(16);
  made         babelon.api_token_pair;
begin
  perform babelon_private.require_name(name);
  if (role < 'owner') is not true then
    perform babelon_private.raise_error('BBL_INVALID_INPUT', 'role must be viewer, member or admin');
  end if;

  begin
    insert into babelon_private.api_tokens as t (organization_id, client_id, secret_hash, name, role, created_by, request_id)
    values (
      organization,
      'bbl_cid_' || babelon_private.random_hex(8),
      sha256(convert_to(secret, 'UTF8')),
      generate_api_token.name,
      generate_api_token.role,
      babelon_private.caller_user_id(),
      generate_api_token.request_id)
    -- A retry: the first answer got lost. It replaces the secret, so no token remains whose secret nobody holds.
    on conflict on constraint api_tokens_request_key do update
      set secret_hash = excluded.secret_hash
      where t.name = excluded.name
        and t.role = excluded.role
        and t.created_by is not distinct from excluded.created_by
        and t.revoked_at is null
    returning t.client_id, t.name, t.role, t.organization_id, t.created_at
         into made.client_id, made.name, made.role, made.organization_id, made.created_at;
  exception when foreign_key_violation then
    perform babelon_private.raise_error('BBL_NOT_FOUND', 'the organization has just been deleted');
  end;
  if made.client_id is null then
    perform babelon_private.raise_error('BBL_CONFLICT', 'request_id was used for another token', 'Send a new request_id.');
  end if;
  made.api_token := secret;
  return made;
end
$$;

create function babelon_private.list_api_tokens(organization_id uuid)
returns setof babelon_private.api_token_summaries
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  organization constant uuid := babelon_private.require_role(organization_id, 'viewer');
begin
  -- Within a budget of a fraction of a second. A journal that is broken must not fail the list.
  if current_setting('transaction_read_only') = 'off' then
    begin
      perform babelon_private.collect_usage(max_bytes => 32 << 20, max_messages => 10000);
    exception when others or query_canceled then  -- by statement_timeout, too
      raise warning 'collecting usage failed: %', sqlerrm;
    end;
  end if;

  return query
  select s.*
    from babelon_private.api_token_summaries s
   where s.organization_id = organization
   order by s.state, s.created_at desc, s.client_id;
end
$$;

create function babelon_private.revoke_api_token(client_id text)
returns babelon_private.api_token_summaries
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  organization uuid;
  revoked      babelon_private.api_token_summaries;
begin
  perform babelon_private.require_current_session();

  -- Unknown, or another organization's: the same answer.
  select t.organization_id into organization
    from babelon_private.api_tokens t
   where t.client_id = revoke_api_token.client_id
     and (babelon_private.caller_kind() = 'service'
          or t.organization_id = any (array(select babelon.tenant_ids())));
  if not found and babelon_private.caller_kind() is not null then
    perform babelon_private.raise_error('BBL_NOT_FOUND', 'no such API token');
  end if;
  perform babelon_private.require_manager(organization);

  update babelon_private.api_tokens t
     set revoked_at = clock_timestamp(), revoked_by = babelon_private.caller_user_id()
   where t.client_id = revoke_api_token.client_id and t.revoked_at is null;

  select * into revoked
    from babelon_private.api_token_summaries s
   where s.client_id = revoke_api_token.client_id;
  if not found then
    perform babelon_private.raise_error('BBL_NOT_FOUND', 'the organization has just been deleted');
  end if;
  return revoked;
end
$$;

-- For a project that keeps organizations itself: its trigger calls this when it deletes one softly.
create function babelon_private.revoke_organization(organization_id uuid)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  update babelon_private.api_tokens t
     set revoked_at = clock_timestamp()
   where t.organization_id = revoke_organization.organization_id and t.revoked_at is null;
end
$$;
comment on function babelon_private.revoke_organization is
  'Revokes every token of an organization, at once and for good. For the operator, and for a definer trigger of theirs.';

create function babelon_private.purge_api_tokens(revoked_before timestamptz)
returns bigint
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  with purged as (
    delete from babelon_private.api_tokens t where t.revoked_at < purge_api_tokens.revoked_before returning 1)
  select count(*) from purged
$$;
comment on function babelon_private.purge_api_tokens is
  'Deletes the tokens that were revoked before that time, with what they were used for, and returns how many. They stay refused, as unknown ones. For the operator.';
