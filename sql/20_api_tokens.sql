-- Token pairs. This table never holds a secret, only its SHA-256.

create table babelon_private.api_tokens (
  id              uuid                not null default gen_random_uuid(),
  organization_id uuid                not null,
  client_id       text                not null,
  secret_hash     bytea               not null,
  name            text                not null,
  role            babelon.member_role not null,
  created_at      timestamptz         not null default now(),
  created_by      uuid,
  request_id      uuid,
  revoked_at      timestamptz,
  revoked_by      uuid,
  constraint api_tokens_pkey primary key (id),
  constraint api_tokens_client_id_key unique (client_id),
  constraint api_tokens_request_key unique (organization_id, request_id),
  constraint api_tokens_organization_id_fkey foreign key (organization_id)
    references babelon_private.own_organizations (id) on delete cascade,
  constraint api_tokens_created_by_fkey foreign key (created_by)
    references auth.users (id) on delete set null,
  constraint api_tokens_revoked_by_fkey foreign key (revoked_by)
    references auth.users (id) on delete set null,
  constraint api_tokens_client_id_check check (client_id ~ '^bbl_cid_[0-9a-f]{16}$'),
  constraint api_tokens_secret_hash_check check (octet_length(secret_hash) = 32),
  constraint api_tokens_name_check check (babelon_private.is_name(name)),
  constraint api_tokens_role_check check (role < 'owner')
);
create index api_tokens_organization_id_idx on babelon_private.api_tokens (organization_id, created_at desc);
create index api_tokens_created_by_idx on babelon_private.api_tokens (created_by);
create index api_tokens_revoked_by_idx on babelon_private.api_tokens (revoked_by);

-- Revocation is permanent: no role that can reach this table can undo it.
create function babelon_private.forbid_unrevoking()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  raise restrict_violation using message = 'a revoked token stays revoked';
end
$$;

create trigger api_tokens_revocation_is_final
  before update of revoked_at on babelon_private.api_tokens
  for each row
  when (old.revoked_at is not null and new.revoked_at is distinct from old.revoked_at)
  execute function babelon_private.forbid_unrevoking();
-- Always, so that it also fires in a session that has switched triggers off, as replication and restores do.
alter table babelon_private.api_tokens enable always trigger api_tokens_revocation_is_final;

-- NOTE: no policies, because no role of the API is granted this table. Only definer functions read and write it.
alter table babelon_private.api_tokens enable row level security;

comment on table babelon_private.api_tokens is 'One row a token pair. People read it through babelon.list_api_tokens().';
comment on column babelon_private.api_tokens.secret_hash is 'SHA-256 of the whole secret string, prefix included, as UTF-8.';
comment on column babelon_private.api_tokens.created_by is 'The person who made it; NULL when a token or the service role did, or the person is gone.';
comment on column babelon_private.api_tokens.request_id is 'The maker''s idempotency key: a retry with it replaces this pair.';
comment on column babelon_private.api_tokens.revoked_by is 'The person who revoked it; NULL when a token or the service role did, or the person is gone.';

-- This view alone decides a token's state. The hook, policies and lists read tokens through it.
create type babelon.token_state as enum ('active', 'revoked');
comment on type babelon.token_state is 'active: the pair is accepted. revoked: it is refused, for good.';

create view babelon_private.api_token_states as
select t.id,
       t.organization_id,
       t.client_id,
       t.secret_hash,
       t.name,
       t.role,
       t.created_at,
       t.created_by,
       t.revoked_at,
       case when t.revoked_at is null then 'active' else 'revoked' end::babelon.token_state as state
  from babelon_private.api_tokens t;
comment on view babelon_private.api_token_states is 'Every token, with the state it is in now.';
