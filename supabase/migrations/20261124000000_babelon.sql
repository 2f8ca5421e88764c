-- API tokens for the users of a Supabase project.
--
-- Two schemas, so that what the API can see and what runs with more rights than its caller never meet:
-- `babelon` is exposed and holds views and thin functions; `babelon_private` holds the tables and every
-- function that runs as its definer, and is never exposed.

-- A busy project must not queue behind this migration: it gives up cleanly instead, and can be pushed again.
set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Everything below belongs to the role that runs this. Without these it would fail halfway, or install what cannot work.
do $$
begin
  if not exists (select from pg_catalog.pg_roles where rolname = current_user
                  and (rolsuper or rolcreaterole and rolbypassrls and rolreplication))
     or not pg_catalog.has_database_privilege(pg_catalog.current_database(), 'create')
     or not pg_catalog.has_schema_privilege('auth', 'usage')
     or not pg_catalog.has_table_privilege('auth.users', 'select')
     or not pg_catalog.has_table_privilege('auth.users', 'update')  -- to lock a row
     or not pg_catalog.has_table_privilege('auth.users', 'references')
     or pg_catalog.current_setting('server_version_num')::int >= 160000
        and not pg_catalog.pg_has_role('anon', 'member with admin option')
  then
    raise insufficient_privilege using
      message = pg_catalog.format('the role %I cannot install Babelon', current_user),
      hint = 'Run the migration as postgres.';
  end if;
end
$$;

create schema babelon;
create schema babelon_private;

comment on schema babelon is
  'API tokens bound to one organization. Expose this schema: views by row-level security, functions that all run as their caller.';
comment on schema babelon_private is
  'Tables and definer functions behind schema babelon. Never expose this schema.';

-- Roles belong to the server, not to this database, so the role may be there already; then it must be no more than ours.
-- It inherits anon: everybody who has the publishable key can do what anon can, so a token gains nothing by it, and a
-- project's policies, functions, defaults and triggers that work for anon work for a token.
do $$
declare
  set_apart constant boolean := pg_catalog.current_setting('server_version_num')::int >= 160000;
  admins text;
begin
  if not exists (select from pg_catalog.pg_roles where rolname = 'babelon_token') then
    create role babelon_token nologin;
  elsif exists (
    select from pg_catalog.pg_roles r
     where r.rolname = 'babelon_token'
       and (r.rolcanlogin or r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolcreatedb or r.rolreplication
            or exists (select from pg_catalog.pg_auth_members m
                        where m.member = r.oid and (m.roleid <> 'anon'::regrole or m.admin_option))))
  then
    raise exception 'a role babelon_token is here already, and it may do more than a token'
      using hint = 'Rename it: alter role babelon_token rename to former_babelon_token. If you may not, its creator or a superuser can.';
  end if;

  -- PostgREST connects as authenticator and switches to babelon_token once a pair is verified.
  if not pg_catalog.pg_has_role('authenticator', 'babelon_token', 'member') then
    begin
      grant babelon_token to authenticator;
    exception when insufficient_privilege then
      select coalesce(pg_catalog.string_agg(m.member::regrole::text, ', '), 'a superuser') into admins
        from pg_catalog.pg_auth_members m
       where m.roleid = 'babelon_token'::regrole and m.admin_option;
      raise insufficient_privilege using
        message = pg_catalog.format('the role babelon_token is here already, and %I may not grant it', current_user),
        hint = pg_catalog.format('Let %s run: grant babelon_token to authenticator. Then run the migration again.', admins);
    end;
  end if;
  if set_apart then
    execute 'grant anon to babelon_token with inherit true, set false';
  else
    if not (select rolinherit from pg_catalog.pg_roles where rolname = 'babelon_token') then
      alter role babelon_token inherit;
    end if;
    grant anon to babelon_token;
  end if;
end
$$;
-- Organizations, and the people in them. An organization is a tenant: one thing, one uuid.

create type babelon.member_role as enum ('viewer', 'member', 'admin', 'owner');
comment on type babelon.member_role is
  'What somebody may do in an organization, in rising order: viewers read, members write, admins manage members and tokens, owners manage owners.';

-- People read names in lists and type them. So a name has something visible, nothing that forges a line or disguises
-- another name, and never an API token that somebody pasted by mistake, however it is spelt.
-- The character classes are ICU's, by Unicode category: [:graph:] excludes control, format and unassigned characters.
create function babelon_private.is_name(name text)
returns boolean
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select char_length(name) between 1 and 100
     -- No control or format characters, except the two joiners that some scripts and emoji need. Characters newer than
     -- this server's ICU pass only in the ranges that Unicode reserves for emoji and ideographs.
     and name collate "und-x-icu" !~ '[^[:graph:][:space:]\u200C\u200D\U0001F000-\U0001FAFF\U0001FC00-\U0001FFFD\U00020000-\U0002FFFD\U00030000-\U0003FFFD]'
     and name !~ '[\u0001-\u001F\u007F-\u009F\u2028\u2029]'
     -- Something visible: a letter that is not a filler, a digit, punctuation, or a common symbol. Marks do not count.
     and (regexp_replace(name, '[\u115F\u1160\u3164\uFFA0]', '', 'g') collate "und-x-icu" ~ '[[:alnum:][:punct:]]'
          or name ~ '[$+<=>^`|~\u00A2-\u00BE\u00D7\u00F7\u20A0-\u20CF\u2100-\u27BF\u2900-\u2BFF\u3007\u3200-\u33FF\U0001F000-\U0001FAFF\U0001FC00-\U0003FFFD]')
     and lower(regexp_replace(normalize(name, NFKD), '[^0-9A-Za-z_]', '', 'g')) !~ 'bbl_tok_[0-9a-f]{32}'
$$;

-- The rest of Babelon reads organizations only through two views. By default they show the tables below. A project that
-- has organizations of its own replaces the views, drops these tables, and manages members itself (docs/organizations.md).

create table babelon_private.own_organizations (
  id                 uuid        not null default gen_random_uuid(),
  name               text        not null,
  created_at         timestamptz not null default now(),
  members_changed_at timestamptz not null default now(),
  constraint own_organizations_pkey primary key (id),
  constraint own_organizations_name_check check (babelon_private.is_name(name))
);

create table babelon_private.own_memberships (
  organization_id uuid                not null,
  user_id         uuid                not null,
  role            babelon.member_role not null,
  created_at      timestamptz         not null default now(),
  constraint own_memberships_pkey primary key (organization_id, user_id),
  constraint own_memberships_organization_id_fkey foreign key (organization_id)
    references babelon_private.own_organizations (id) on delete cascade,
  constraint own_memberships_user_id_fkey foreign key (user_id)
    references auth.users (id) on delete cascade
);
create index own_memberships_user_id_idx on babelon_private.own_memberships (user_id);

-- NOTE: no policies, because no role of the API is granted these tables. Only definer functions read and write them.
alter table babelon_private.own_organizations enable row level security;
alter table babelon_private.own_memberships   enable row level security;

create view babelon_private.organizations as
select o.id, o.name from babelon_private.own_organizations o;

create view babelon_private.memberships as
select m.organization_id, m.user_id, m.role from babelon_private.own_memberships m;

comment on table babelon_private.own_organizations is 'Organizations, where Babelon keeps them. People read them through babelon.organizations.';
comment on table babelon_private.own_memberships is 'The members of those organizations, and their roles. People read them through babelon.members.';
comment on column babelon_private.own_organizations.members_changed_at is
  'When its members last changed. Whoever changes them writes it first, so that such changes happen one after another at every isolation level.';
comment on view babelon_private.organizations is 'Every organization, one row each.';
comment on view babelon_private.memberships is 'Who is in which organization, as what: one row a person and organization. A NULL role is no access.';

create function babelon_private.keeps_organizations()
returns boolean
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return to_regclass('babelon_private.own_memberships') is not null;
end
$$;
comment on function babelon_private.keeps_organizations is 'Whether Babelon keeps organizations and members itself, and not the project.';
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
-- Every error that a caller can meet, with its HTTP status, in one place.

create type babelon_private.error_code as enum (
  'BBL_INVALID_INPUT',
  'BBL_ORGANIZATION_REQUIRED',
  'BBL_AMBIGUOUS_CREDENTIALS',
  'BBL_INVALID_TOKEN',
  'BBL_TOKEN_REVOKED',
  'BBL_UNAUTHENTICATED',
  'BBL_SESSION_ENDED',
  'BBL_MFA_REQUIRED',
  'BBL_FORBIDDEN',
  'BBL_ORGANIZATIONS_ELSEWHERE',
  'BBL_TENANT_MISMATCH',
  'BBL_NOT_FOUND',
  'BBL_CONFLICT'
);

create function babelon_private.raise_error(code babelon_private.error_code, message text, hint text default null)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  status constant int := case code
    when 'BBL_INVALID_INPUT'         then 400
    when 'BBL_ORGANIZATION_REQUIRED' then 400
    when 'BBL_AMBIGUOUS_CREDENTIALS' then 400
    when 'BBL_INVALID_TOKEN'         then 401
    when 'BBL_TOKEN_REVOKED'         then 401
    when 'BBL_UNAUTHENTICATED'       then 401
    when 'BBL_SESSION_ENDED'         then 401
    when 'BBL_MFA_REQUIRED'          then 403
    when 'BBL_FORBIDDEN'             then 403
    when 'BBL_ORGANIZATIONS_ELSEWHERE' then 403
    when 'BBL_TENANT_MISMATCH'       then 403
    when 'BBL_NOT_FOUND'             then 404
    when 'BBL_CONFLICT'              then 409
  end;
begin
  -- PostgREST turns this SQLSTATE into the response itself: message is the body, detail the status and headers.
  raise sqlstate 'PGRST' using
    message = json_build_object('code', code, 'message', message, 'details', null, 'hint', hint),
    detail  = json_build_object('status', status, 'headers',
      case when status = 401 then '{"Cache-Control": "no-store", "WWW-Authenticate": "Babelon realm=\"api\""}'
           else '{"Cache-Control": "no-store"}' end::json);
end
$$;

comment on type babelon_private.error_code is 'The codes of Babelon''s errors, as raise_error() answers them.';
comment on function babelon_private.raise_error is
  'Raises a BBL_ error as PostgREST''s SQLSTATE PGRST: body {code, message, details, hint}, the code''s status, no-store for caches, and WWW-Authenticate on 401. Never pass it what the caller sent.';
-- Who is calling: a token, a person, the service role, or nobody.
--
-- The role that PostgREST switched to is the proof. It is read with current_setting('role') and not
-- current_user, because inside a definer function current_user is the definer.
-- The hook identifies a token by one setting, babelon.token_id: 122 random bits that no API shows, so SQL that runs as
-- one token cannot name another. Everything else about the token comes from its row.
--
-- Policies ask these functions in every statement, so they are PL/pgSQL, which keeps its plans for the session, and
-- few: a call with a search_path costs about 2 microseconds, and so does each expression, anew in every transaction.

create type babelon.caller_kind as enum ('token', 'user', 'service');
comment on type babelon.caller_kind is 'What a caller is: a token, a person who is signed in (user), or the service role.';

create function babelon_private.caller_claim(name text)
returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return nullif(current_setting('request.jwt.claims', true), '')::json ->> name;
end
$$;

create function babelon_private.caller_token_id()
returns uuid
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return case when current_setting('role') = 'babelon_token' then nullif(current_setting('babelon.token_id', true), '')::uuid end;
end
$$;

-- NOTE: not auth.uid(), which accepts a `sub` from any role, and fails on one that is not a UUID.
create function babelon_private.caller_user_id()
returns uuid
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return case when current_setting('role') = 'authenticated' then
    substring(nullif(current_setting('request.jwt.claims', true), '')::json ->> 'sub'
         from '^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$')::uuid end;
end
$$;

create function babelon_private.caller_kind()
returns babelon.caller_kind
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return case
    when babelon_private.caller_token_id() is not null then 'token'
    when current_setting('role') = 'service_role'      then 'service'
    when babelon_private.caller_user_id() is not null  then 'user'
  end::babelon.caller_kind;
end
$$;

create function babelon_private.request_has_pair()
returns boolean
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  headers constant json := replace(nullif(current_setting('request.headers', true), ''), '\u0000', '\ufffd')::json;
begin
  return headers ->> 'x-client-id' is not null or headers ->> 'x-api-token' is not null;
end
$$;

-- The caller's organizations, with the caller's role in each. Every statement reads them anew, so a token that is revoked
-- during a request loses them before the request ends.
-- Definer, because no caller may read tokens and memberships.
create function babelon_private.caller_roles()
returns table (organization_id uuid, role babelon.member_role)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  -- NOTE: (select …), so that each is asked once and not for every row where PostgreSQL reads the whole of a small table.
  if current_setting('role') = 'babelon_token' then
    return query
    select t.organization_id, t.role
      from babelon_private.api_token_states t
     where t.id = (select babelon_private.caller_token_id()) and t.state = 'active';
    if found or babelon_private.caller_token_id() is not null then
      return;
    end if;
  -- Most requests have no pair: searching the headers' text for the names costs less than parsing it.
  elsif (current_setting('request.headers', true) like any ('{%x-client-id%,%x-api-token%}')
         and babelon_private.request_has_pair()) is not true then
    return query
    select m.organization_id, m.role
      from babelon_private.memberships m
     where m.user_id = (select babelon_private.caller_user_id()) and m.role is not null;
    return;
  end if;

  -- The role babelon_token without a verified pair is nobody. And without the hook a pair is unverified: it must not fall
  -- back to another identity.
  perform babelon_private.raise_error('BBL_UNAUTHENTICATED', 'no token pair was verified for this request',
    'Send X-Client-Id and X-Api-Token, to a project whose pre-request hook is Babelon''s or calls it.');
end
$$;

create function babelon.tenant_ids(minimum_role babelon.member_role default 'viewer')
returns setof uuid
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select r.organization_id from babelon_private.caller_roles() r where r.role >= minimum_role;
end
$$;

create function babelon.tenant_id()
returns uuid
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  -- NOTE: no `where` on the role: PostgreSQL would then skip caller_roles(), which refuses unverified pairs.
  return (select case when current_setting('role') = 'babelon_token' then r.organization_id end
            from babelon_private.caller_roles() r limit 1);
end
$$;

comment on function babelon.tenant_id is
  'The organization of the token that is calling; NULL for a person. Good as a column default: tenant_id uuid default babelon.tenant_id(). Errors: BBL_UNAUTHENTICATED (a pair that no hook has verified).';
comment on function babelon.tenant_ids is
  'The organizations in which the caller, a person or a token, has at least this role. For policies: using (tenant_id = any (array(select babelon.tenant_ids(''viewer'')))), which asks once a statement and uses the column''s index. Errors: BBL_UNAUTHENTICATED (a pair that no hook has verified).';

-- The guard of every function that acts on an organization: which one does the caller mean, and may they?
-- An unknown organization and somebody else's get the same answer, so nobody can probe for organizations.
create function babelon_private.require_role(organization_id uuid, minimum_role babelon.member_role)
returns uuid
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  kind     constant babelon.caller_kind := babelon_private.caller_kind();
  own      uuid[];
  chosen   uuid := organization_id;
  own_role babelon.member_role;
begin
  if kind is null then
    perform babelon_private.raise_error('BBL_UNAUTHENTICATED', 'authentication is required',
      'Send X-Client-Id and X-Api-Token, or sign in.');
  end if;

  if chosen is null then
    own := array(select babelon.tenant_ids());
    if kind = 'user' and cardinality(own) = 0 then
      perform babelon_private.raise_error('BBL_NOT_FOUND', 'you belong to no organization',
        case when babelon_private.keeps_organizations()
             then 'Create one with create_organization, or ask an admin to add you.'
             else 'Ask the project''s administrator to add you.' end);
    elsif cardinality(own) <> 1 then
      perform babelon_private.raise_error('BBL_ORGANIZATION_REQUIRED', 'several organizations are possible, and organization_id names none',
        'Name one of yours; the view organizations lists them.');
    end if;
    chosen := own[1];
  end if;

  if kind = 'service' then
    if not exists (select from babelon_private.organizations o where o.id = chosen) then
      perform babelon_private.raise_error('BBL_NOT_FOUND', 'no such organization');
    end if;
    return chosen;
  end if;

  select r.role into own_role from babelon_private.caller_roles() r where r.organization_id = chosen;
  if own_role is null then
    perform babelon_private.raise_error('BBL_NOT_FOUND', 'no such organization');
  elsif own_role < minimum_role then
    perform babelon_private.raise_error('BBL_FORBIDDEN', format(case minimum_role when 'owner' then 'this needs the role %s' else 'this needs the role %s or higher' end, minimum_role));
  end if;
  return chosen;
end
$$;

create type babelon.identity as (
  kind                babelon.caller_kind,
  organization_id     uuid,
  organization_name   text,
  role                babelon.member_role,
  client_id           text,
  token_name          text,
  user_id             uuid,
  email               text,
  keeps_organizations boolean
);
comment on type babelon.identity is
  'kind is token, user or service. A token has an organization, role, client_id and token_name; a person has user_id and email, and organization and role when in exactly one organization. keeps_organizations: whether Babelon keeps this project''s organizations and members, so that create_organization, set_member and their kin work.';

create function babelon_private.whoami()
returns babelon.identity
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  me babelon.identity;
begin
  me.kind := babelon_private.caller_kind();
  me.keeps_organizations := babelon_private.keeps_organizations();

  if me.kind = 'token' then
    select t.client_id, t.name into me.client_id, me.token_name
      from babelon_private.api_tokens t
     where t.id = babelon_private.caller_token_id();
  elsif me.kind = 'user' then
    select u.id, u.email into me.user_id, me.email from auth.users u where u.id = babelon_private.caller_user_id();
  end if;
  if me.kind is null or (me.kind = 'user' and me.user_id is null) then
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
-- Counting uses: every request, exactly, and without slowing any.
--
-- A use never writes the token's own row: every request with a hot token would queue behind that row, and its
-- revocation behind all of them. record_use() takes one of two ways instead.
--
--   Journal   Each use, of reads too, is a message in the write-ahead log: no lock, no transaction ID, no
--             commit to flush, and it survives a rollback. A logical replication slot keeps the messages until
--             collect_usage() folds them into the counters. A migration cannot make a slot: an operator calls
--             enable_usage_journal() once.
--   Counters  Without a journal, a read-write request adds to a counter row of its token that nobody else
--             holds; so a token has as many rows as it ever had requests at the same time. Read-only
--             requests cannot write, and are not recorded.

create table babelon_private.api_token_uses (
  id             bigint      not null generated always as identity,
  token_id       uuid        not null,
  uses           bigint      not null default 0,
  last_used_at   timestamptz,
  denials        bigint      not null default 0,
  last_denied_at timestamptz,
  constraint api_token_uses_pkey primary key (id),
  constraint api_token_uses_token_id_fkey foreign key (token_id)
    references babelon_private.api_tokens (id) on delete cascade
) with (fillfactor = 50);  -- room for updates in place
create index api_token_uses_token_id_idx on babelon_private.api_token_uses (token_id);

-- How far the journal is folded: one row while it is on, none while it is off.
create table babelon_private.usage_journal (
  id             boolean     not null default true,
  slot_name      name        not null,
  folded_before  pg_lsn      not null,
  as_of          timestamptz not null,
  complete_since timestamptz not null,
  constraint usage_journal_pkey primary key (id),
  constraint usage_journal_one_row_check check (id)
);

-- NOTE: no policies, because no role of the API is granted these tables; definer functions alone read and write them.
alter table babelon_private.api_token_uses enable row level security;
alter table babelon_private.usage_journal  enable row level security;

comment on table babelon_private.api_token_uses is
  'Usage counters; a token''s are the sums and maxima over its rows. Denials: right secret, but revoked; known with the journal only.';
comment on table babelon_private.usage_journal is
  'The journal''s state, while it is on. Every message that starts before folded_before is in the counters; as_of is how far that is in time. complete_since is when its slot was made: uses before that may be missing.';

-- Whether the journal is on. Switching the journal replaces this function. It is immutable so that each session
-- evaluates it once, when it plans its caller: reading a table instead costs every request some microseconds.
create function babelon_private.usage_is_journalled()
returns boolean
language sql immutable
set search_path = pg_catalog, pg_temp
return false;

-- Records one use, or, in the journal, one denial. Returns whether it was recorded.
--
-- A journal entry is 25 bytes: the token's id, 1 for a use or 0 for a denial, and the time in microseconds since
-- 2000. read_usage_journal() is its reader.
create function babelon_private.record_use(used_token_id uuid, accepted boolean)
returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  if babelon_private.usage_is_journalled() then
    return not pg_is_in_recovery()
       and pg_logical_emit_message(false, 'babelon.use', uuid_send(used_token_id)
             || case when accepted then '\x01'::bytea else '\x00' end || timestamptz_send(clock_timestamp())) is not null;
  elsif not accepted or current_setting('transaction_read_only') = 'on' then
    return false;
  end if;

  update babelon_private.api_token_uses u
     set uses = u.uses + 1,
         last_used_at = greatest(u.last_used_at, clock_timestamp())
   where u.id = (
     select free.id
       from babelon_private.api_token_uses free
      where free.token_id = used_token_id
      limit 1
        for no key update skip locked);
  if not found then
    insert into babelon_private.api_token_uses (token_id, uses, last_used_at)
    values (used_token_id, 1, clock_timestamp());
  end if;
  return true;
end
$$;

-- Reads the journal between two LSNs, or until max_messages have been found. Returns a row for each
-- token and outcome, and one without a token for every message that is no entry of ours: anybody who can run SQL can
-- write one. messages and last_lsn count both kinds.
create function babelon_private.read_usage_journal(slot_name name, after pg_lsn, upto pg_lsn, max_messages int)
returns table (token_id uuid, accepted boolean, messages bigint, last_at timestamptz, last_lsn pg_lsn)
language plpgsql volatile
set search_path = pg_catalog, pg_temp
rows 100
as $$
#variable_conflict use_column
declare
  -- pgoutput writes 'M', flags, an LSN, the prefix with its NUL, and a length before the content.
  header_length constant int := 1 + 1 + 8 + length('babelon.use') + 1 + 4;
  -- Times are compared in hexadecimal, and what is equal in many entries is decoded once: ten times as fast.
  latest constant text collate "C" := encode(timestamptz_send(clock_timestamp() + interval '1 minute'), 'hex');
begin
  return query
  with peeked as (
    select m.lsn,
           case when substr(m.data, 11, 12) = 'babelon.use\000'
                 and octet_length(m.data) = header_length + 25
                 and encode(substr(m.data, header_length + 18), 'hex') collate "C" <= latest
                then substr(m.data, header_length + 1) end as entry
      from pg_logical_slot_peek_binary_changes(read_usage_journal.slot_name, upto, max_messages,
             'proto_version', '1', 'publication_names', 'babelon_usage', 'messages', 'true') m
     where m.lsn > after  -- a message's LSN is its end
  ), grouped as (
    select substr(p.entry, 1, 17) as token_and_outcome,
           count(*) as messages,
           max(encode(substr(p.entry, 18), 'hex') collate "C") as last_at,
           max(p.lsn) as last_lsn
      from peeked p
     group by 1
  )
  select encode(substr(g.token_and_outcome, 1, 16), 'hex')::uuid,
         case get_byte(g.token_and_outcome, 16) when 1 then true when 0 then false end,
         g.messages,
         timestamptz '2000-01-01 00:00:00+00' + ('x' || g.last_at)::bit(64)::bigint * interval '1 microsecond',
         g.last_lsn
    from grouped g;
end
$$;

-- The output plugin wants a publication. One without tables keeps everybody's rows out of the decoding.
create publication babelon_usage;

-- A slot belongs to one database, but its name must be unique on the server. Every function that makes, drops or reads
-- the slot holds the database's advisory lock 'babelon.usage_journal'. A dump holds the journal's state but no slot, so a
-- restored database names a slot that belongs to another one.
create function babelon_private.create_usage_slot(out slot_name name, out start pg_lsn)
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  slot_name := 'babelon_usage_' || (select oid from pg_database where datname = current_database());
  perform pg_drop_replication_slot(s.slot_name)  -- a lost one, or one that an earlier try left behind
     from pg_replication_slots s where s.slot_name = create_usage_slot.slot_name;
  start := (pg_create_logical_replication_slot(slot_name, 'pgoutput')).lsn;
end
$$;

create function babelon_private.enable_usage_journal()
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  slot record;
begin
  perform pg_advisory_xact_lock(hashtextextended('babelon.usage_journal', 0));
  if exists (select from babelon_private.usage_journal j join pg_replication_slots s on s.slot_name = j.slot_name
              where s.database = current_database()) then
    return;
  elsif current_setting('wal_level') <> 'logical' then
    raise object_not_in_prerequisite_state using
      message = format('the usage journal needs wal_level = logical, and it is %s', current_setting('wal_level')),
      hint = 'Set it and restart the server, as hosted Supabase has it; until then read-only requests are not counted.';
  end if;
  -- First: a transaction that has written cannot make a slot.
  select * into slot from babelon_private.create_usage_slot();
  insert into babelon_private.usage_journal (slot_name, folded_before, as_of, complete_since)
  values (slot.slot_name, slot.start, clock_timestamp(), clock_timestamp())
  on conflict (id) do update
    set slot_name = excluded.slot_name, folded_before = excluded.folded_before,
        as_of = excluded.as_of, complete_since = excluded.complete_since;
  create or replace function babelon_private.usage_is_journalled()
  returns boolean language sql immutable set search_path = pg_catalog, pg_temp return true;

  if exists (select from pg_extension where extname = 'pg_cron') then
    execute 'select cron.schedule($1, $2, $3)'
      using 'babelon-collect-usage', '* * * * *', 'select babelon_private.collect_usage()';
    -- pg_cron keeps a row about every run for ever.
    execute 'select cron.schedule($1, $2, $3)' using 'babelon-forget-runs', '17 * * * *', $sql$
      delete from cron.job_run_details d using cron.job j
       where j.jobid = d.jobid and j.jobname like 'babelon-%' and d.end_time < now() - interval '1 day' $sql$;
  else
    raise warning 'pg_cron is not installed, so only lists collect the usage journal, and only within their budget'
      using hint = 'Let a scheduler call babelon_private.collect_usage() every minute: the server keeps the write-ahead log until it is collected.';
  end if;
  if current_setting('max_slot_wal_keep_size') = '-1' then
    raise warning 'max_slot_wal_keep_size is not set: a journal that nobody collects can fill the disk';
  end if;
  raise notice 'the usage journal keeps a logical replication slot, with which a major upgrade of PostgreSQL is refused'
    using hint = 'Call babelon_private.disable_usage_journal() before an upgrade, and enable_usage_journal() after it.';
end
$$;

create function babelon_private.disable_usage_journal()
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  slot name;
begin
  perform pg_advisory_xact_lock(hashtextextended('babelon.usage_journal', 0));
  begin
    perform babelon_private.collect_usage();
  exception when others then
    raise warning 'the last uses are lost, because collecting them failed: %', sqlerrm;
  end;
  create or replace function babelon_private.usage_is_journalled()
  returns boolean language sql immutable set search_path = pg_catalog, pg_temp return false;
  delete from babelon_private.usage_journal returning slot_name into slot;
  perform pg_drop_replication_slot(s.slot_name)
     from pg_replication_slots s where s.slot_name = slot and s.database = current_database();

  if exists (select from pg_extension where extname = 'pg_cron') then
    execute 'select cron.unschedule(jobname) from cron.job where jobname = any ($1)'
      using array['babelon-collect-usage', 'babelon-forget-runs'];
  end if;
end
$$;

-- Starts the journal again after it lost its slot. Returns the time it starts from.
create function babelon_private.restart_usage_journal()
returns timestamptz
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  made record;
  now  timestamptz;
begin
  select * into made from babelon_private.create_usage_slot();
  now := clock_timestamp();  -- after, because the slot waits for transactions under way, and their uses are missing
  update babelon_private.usage_journal
     set slot_name = made.slot_name, folded_before = made.start, as_of = now, complete_since = now;
  raise warning 'the usage journal lost its replication slot, and starts anew: uses before % may be missing', now
    using hint = 'max_slot_wal_keep_size bounds the log that a slot keeps; collect more often, or raise it.';
  return now;
end
$$;

-- Flushes the log, because a slot yields flushed log only. Returns how far it is flushed. Before PostgreSQL 17 SQL cannot
-- ask for a flush; the server flushes by itself, after some seconds at the latest.
create function babelon_private.flush_usage_journal()
returns pg_lsn
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  if pg_current_wal_flush_lsn() < pg_current_wal_insert_lsn() and current_setting('server_version_num')::int >= 170000 then
    execute $sql$ select pg_logical_emit_message(false, 'babelon.flush', '', true) $sql$;
  end if;
  return pg_current_wal_flush_lsn();
end
$$;

-- Adds what is in the journal to the counters. Returns what was found: how many messages, of how many tokens, the last
-- message's LSN, and the last entry's time.
create function babelon_private.fold_usage(
  slot_name name, after pg_lsn, upto pg_lsn, max_messages int,
  out messages bigint, out tokens bigint, out last_lsn pg_lsn, out last_at timestamptz)
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  with journalled as materialized (
    select * from babelon_private.read_usage_journal(slot_name, after, upto, max_messages)
  ), folded as (
    select j.token_id,
           coalesce(sum(j.messages) filter (where j.accepted), 0)::bigint     as uses,
           max(j.last_at)           filter (where j.accepted)                 as last_used_at,
           coalesce(sum(j.messages) filter (where not j.accepted), 0)::bigint as denials,
           max(j.last_at)           filter (where not j.accepted)             as last_denied_at
      from journalled j
      join babelon_private.api_tokens t on t.id = j.token_id
     group by j.token_id
  ), updated as (
    update babelon_private.api_token_uses c
       set uses           = c.uses + f.uses,
           last_used_at   = greatest(c.last_used_at, f.last_used_at),
           denials        = c.denials + f.denials,
           last_denied_at = greatest(c.last_denied_at, f.last_denied_at)
      from folded f
     where c.id = (select min(x.id) from babelon_private.api_token_uses x where x.token_id = f.token_id)
    returning c.token_id
  ), inserted as (
    insert into babelon_private.api_token_uses (token_id, uses, last_used_at, denials, last_denied_at)
    select f.token_id, f.uses, f.last_used_at, f.denials, f.last_denied_at
      from folded f
     where f.token_id not in (select u.token_id from updated u)
  )
  select coalesce(sum(j.messages), 0)::bigint, (select count(*) from folded), max(j.last_lsn),
         max(j.last_at) filter (where j.accepted is not null)
    from journalled j
$$;

-- Folds the journal into the counters. Returns how far they go in time; NULL without a journal.
--
-- Exactly once   Reading leaves the slot where it is, and folded_before commits with the counters. Only the next
--                collection lets the slot pass what this one committed.
-- Step by step   The slot passes log in which no use was found at once, for good and without writing anything: so even a
--                collection that is cancelled gets somewhere, and one after which nothing was written ends before it
--                decodes. Under a statement_timeout it stops early enough to commit what it has found.
-- Bounded        Decoding begins at restart_lsn: up to 15 seconds back on a busy server, or before an old transaction
--                that has written. With max_bytes it reads at most so much log, and leaves the rest to a scheduler's
--                collection without bounds, which also replaces a lost slot. When none has come for five minutes, it
--                goes eight times as far, from wherever decoding begins.
-- Definer, so that a scheduler's role needs nothing but EXECUTE.
create function babelon_private.collect_usage(max_bytes bigint default null, max_messages int default null)
returns timestamptz
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  mb         constant bigint      := 1 << 20;
  timeout    constant interval    := nullif(current_setting('statement_timeout'), '0')::interval;  -- NULL: none
  step       bigint               := greatest(4 * mb, max_bytes, least(256 * mb, (8 * mb * extract(epoch from timeout))::bigint));
  journal    babelon_private.usage_journal;
  slot       record;
  found_now  record;
  tokens     bigint := 0;
  last_at    timestamptz;
  asked_at   timestamptz;
  reached_at timestamptz;
  written    pg_lsn;
  reached    pg_lsn;
  goal       pg_lsn;
  upto       pg_lsn;
  neglected  boolean;
begin
  -- One collector at a time. Another one returns what there is.
  if not pg_try_advisory_xact_lock(hashtextextended('babelon.usage_journal', 0)) then
    return (select j.as_of from babelon_private.usage_journal j);
  end if;
  select * into journal from babelon_private.usage_journal;
  select s.restart_lsn, s.confirmed_flush_lsn, s.active, s.wal_status into slot
    from pg_replication_slots s where s.slot_name = journal.slot_name and s.database = current_database();
  if slot.wal_status is null or slot.wal_status = 'lost' then
    return case when journal.id and max_bytes is null then babelon_private.restart_usage_journal() else journal.as_of end;
  end if;

  asked_at := clock_timestamp();
  written  := pg_current_wal_insert_lsn();
  reached  := greatest(journal.folded_before, slot.confirmed_flush_lsn);
  goal     := greatest(reached, babelon_private.flush_usage_journal());
  if goal > reached then
    neglected := journal.as_of < asked_at - interval '5 minutes';
    if slot.active or (reached - slot.restart_lsn > max_bytes and not neglected) then
      return journal.as_of;
    elsif reached > slot.confirmed_flush_lsn then
      perform pg_replication_slot_advance(journal.slot_name, reached);
    end if;
    select least(goal, case when neglected then reached + 8 * max_bytes::numeric else s.restart_lsn + max_bytes::numeric end) into goal
      from pg_replication_slots s where s.slot_name = journal.slot_name;
  end if;

  while reached < goal loop
    upto := least(goal, reached + step::numeric);
    select * into found_now from babelon_private.fold_usage(journal.slot_name, reached, upto, max_messages);
    tokens  := tokens + found_now.tokens;
    last_at := greatest(last_at, found_now.last_at);
    if found_now.messages >= max_messages then
      reached := found_now.last_lsn;  -- where the last one ends; there may be more behind it
    else
      reached := greatest(upto, found_now.last_lsn);
    end if;
    if tokens = 0 then
      perform pg_replication_slot_advance(journal.slot_name, reached);
    end if;
    exit when (max_messages > 0 and tokens > 0)
           or clock_timestamp() > statement_timestamp() + timeout / case when tokens > 0 then 4 else 2 end;
    step := 2 * step;  -- each step decodes again from where decoding begins
  end loop;

  reached_at := case when reached >= written then asked_at else greatest(journal.as_of, last_at) end;
  if tokens > 0 or reached_at > journal.as_of + interval '1 minute' then
    update babelon_private.usage_journal set folded_before = reached, as_of = reached_at;
  end if;
  return reached_at;
end
$$;

comment on function babelon_private.enable_usage_journal is
  'Switches the usage journal on, and schedules its collection where pg_cron is installed; idempotent. Call it as a statement of its own: it makes a replication slot, which a transaction that has written cannot. A major upgrade of PostgreSQL is refused while the slot exists: call disable_usage_journal() before it, and this after it.';
comment on function babelon_private.disable_usage_journal is
  'Collects what is in the usage journal, switches it off and drops its replication slot; uses under way at that moment may be missed.';
comment on function babelon_private.collect_usage is
  'Folds the usage journal into the counters and returns how far they go in time; NULL without a journal. Exactly once, also when it is cancelled or rolled back. Under a statement_timeout it ends in time and goes on at the next call. max_bytes and max_messages bound the work.';
-- The request path: PostgREST calls authenticate_request() in every request's transaction, before the query.
--
--   X-Client-Id + X-Api-Token  →  verify, record the use, scrub the secret, set babelon.token_id, switch to babelon_token
--   neither header             →  nothing happens; people's JWTs work as ever
--   anything else              →  an error: a wrong pair never falls back to another identity

-- Every request with a pair runs these two functions, in a transaction of its own: so each expression is set up anew, and
-- costs about a microsecond. What is needed rarely stands in a nested branch, and a function that returns something
-- is assigned, because PERFORM would start a query.

-- The answer to a pair is for its holder alone, and shared caches respect only Authorization without being told. Adds that
-- to the headers that a project's own hook has set; its Cache-Control wins. So does what a later function sets.
create function babelon_private.private_headers(headers text)
returns text
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  return case when headers ilike '%"cache-control"%' then '[]' else '[{"Cache-Control":"private, no-store"}]' end::jsonb
    || '[{"Vary":"X-Client-Id, X-Api-Token"}]'::jsonb
    || headers::jsonb;
end
$$;

-- Definer, to read token rows. It takes no arguments: the secret goes from the header into a hash and nowhere else.
-- Returns true when the request carries a valid pair, false when it carries none or was verified before, and raises
-- otherwise.
create function babelon_private.verify_request()
returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
<<request>>
declare
  -- A NUL character cannot become text, and the error for it would quote the headers in the server's log.
  headers   constant json := replace(nullif(current_setting('request.headers', true), ''), '\u0000', '\ufffd')::json;
  client_id constant text := headers ->> 'x-client-id';
  api_token constant text := headers ->> 'x-api-token';
  token     record;
  recorded  boolean;
  setting   text;
begin
  -- A JWT with a `sub` is somebody's, whatever its role.
  if current_setting('role') <> 'anon' or current_setting('request.jwt.claims', true) like '%"sub"%' then
    if babelon_private.caller_token_id() is not null then
      return false;
    elsif current_setting('role') = 'babelon_token' then
      perform babelon_private.raise_error('BBL_UNAUTHENTICATED', 'the role babelon_token is for verified token pairs',
        'Send X-Client-Id and X-Api-Token, without a JWT of that role.');
    elsif client_id is null and api_token is null then
      return false;
    end if;
    perform babelon_private.raise_error('BBL_AMBIGUOUS_CREDENTIALS',
      'a token pair was sent beside another identity',
      'Send either X-Client-Id and X-Api-Token, or a user''s or service key''s Authorization, not both.');
  elsif client_id is null and api_token is null then
    return false;
  end if;

  select t.id, t.organization_id, t.secret_hash, t.role, t.state = 'active' as active into token
    from babelon_private.api_token_states t
   where t.client_id = request.client_id;

  -- A half, malformed or unknown pair ends here like a wrong secret, because NULL is not true: there is no
  -- row, no secret, or a secret of another shape, whose hash no row has.
  if (token.secret_hash = sha256(convert_to(api_token, 'UTF8'))) is not true then
    perform babelon_private.raise_error('BBL_INVALID_TOKEN', 'invalid client ID or API token',
      'Send both X-Client-Id and X-Api-Token, exactly as they were generated.');
  end if;

  -- From here on the caller has shown the secret, and may learn about the token; and the use counts, whatever
  -- becomes of the request.
  recorded := babelon_private.record_use(token.id, token.active);
  -- What few requests meet, behind one condition.
  if not token.active or headers::text like '%x-tenant-id%' then
    if not token.active then
      perform babelon_private.raise_error('BBL_TOKEN_REVOKED', 'this API token was revoked',
        'Generate a new one.');
    elsif lower(headers ->> 'x-tenant-id') <> token.organization_id::text then
      perform babelon_private.raise_error('BBL_TENANT_MISMATCH', 'this API token belongs to another organization',
        'X-Tenant-Id only asserts the organization; leave it out, or use that organization''s token.');
    end if;
  end if;

  -- One expression, because each costs.
  setting := set_config('request.headers',  replace(headers::text, api_token, ''), true)
    || set_config('babelon.token_id', token.id::text, true)
    || set_config('response.headers', case
         when coalesce(current_setting('response.headers', true), '') = ''
           then '[{"Cache-Control":"private, no-store"},{"Vary":"X-Client-Id, X-Api-Token"}]'
         else babelon_private.private_headers(current_setting('response.headers', true))
       end, true);
  if token.role = 'viewer' then
    setting := set_config('transaction_read_only', 'on', true);
  end if;
  return true;
end
$$;

-- The hook itself. Invoker, because PostgreSQL forbids switching roles inside a definer function. Where the
-- hook is not installed every exposed function calls it first; a second call in a transaction does nothing.
create function babelon_private.authenticate_request()
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  setting text;
begin
  -- Most requests have no pair: searching the text for the headers' names costs less than parsing it. PostgREST writes
  -- them in lower case and without escapes.
  if current_setting('request.headers', true) like any ('{%x-client-id%,%x-api-token%}')
     or current_setting('role') = 'babelon_token' then
    if babelon_private.verify_request() then
      setting := set_config('role', 'babelon_token', true);
    end if;
  end if;
end
$$;

comment on function babelon_private.authenticate_request is
  'PostgREST''s pre-request hook (pgrst.db_pre_request). To keep a hook of your own, make it security invoker and call this first.';
comment on function babelon_private.verify_request is
  'Verifies X-Client-Id and X-Api-Token of request.headers. Errors: BBL_INVALID_TOKEN, BBL_TOKEN_REVOKED, BBL_AMBIGUOUS_CREDENTIALS, BBL_TENANT_MISMATCH, BBL_UNAUTHENTICATED (a JWT of the role babelon_token).';
-- Organizations and members as people see and change them.

-- Each view runs as its caller, over a definer that returns only the caller's rows. So a project's row-level security on its
-- own tables of organizations does not interfere, and auth.users stays out of reach.

create function babelon_private.caller_organizations()
returns table (id uuid, name text, role babelon.member_role)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select o.id, o.name, r.role
    from babelon_private.caller_roles() r
    join babelon_private.organizations o on o.id = r.organization_id;
  if babelon_private.caller_kind() = 'service' then
    return query
    select o.id, o.name, null::babelon.member_role from babelon_private.organizations o;
  end if;
end
$$;

create function babelon_private.caller_members()
returns table (organization_id uuid, user_id uuid, email text, role babelon.member_role)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  own constant uuid[] := array(select babelon.tenant_ids());
begin
  return query
  select m.organization_id, m.user_id, u.email::text, m.role
    from babelon_private.memberships m
    left join auth.users u on u.id = m.user_id
   where m.role is not null
     and (m.organization_id = any (own) or babelon_private.caller_kind() = 'service');
end
$$;

create view babelon.organizations with (security_invoker = true) as
select o.id, o.name, o.role from babelon_private.caller_organizations() o;

create view babelon.members with (security_invoker = true) as
select m.organization_id, m.user_id, m.email, m.role from babelon_private.caller_members() m;

-- NOTE: no role is granted to write them. But PostgreSQL would refuse a write to such a view before it asks for the grant, and
-- PostgREST would answer 500; with a trigger it asks.
create function babelon_private.forbid_writing()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  raise insufficient_privilege using message = 'this view is read-only';
end
$$;

create trigger organizations_are_read_only instead of insert or update or delete on babelon.organizations
  for each row execute function babelon_private.forbid_writing();
create trigger members_are_read_only instead of insert or update or delete on babelon.members
  for each row execute function babelon_private.forbid_writing();

comment on view babelon.organizations is 'The organizations the caller, a person or a token, belongs to; role is the caller''s own there.';
comment on view babelon.members is 'The members of the caller''s organizations.';

-- Guards.

create function babelon_private.require_name(name text)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if babelon_private.is_name(name) is not true then
    perform babelon_private.raise_error('BBL_INVALID_INPUT', 'name must be 1 to 100 visible characters');
  end if;
end
$$;

create function babelon_private.require_own_organizations()
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if not babelon_private.keeps_organizations() then
    perform babelon_private.raise_error('BBL_ORGANIZATIONS_ELSEWHERE', 'this project keeps its organizations and members itself',
      'Change them where the project does.');
  end if;
end
$$;

-- A JWT is valid for up to an hour after its session has ended, and the tokens it makes are permanent. So every function that
-- makes or changes something asks Auth whether the session still exists, and whether it has shown the person's second factor.
-- Tokens and the service role have no session, and pass.
create function babelon_private.require_current_session()
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  person     constant uuid := babelon_private.caller_user_id();
  session_id constant text := babelon_private.caller_claim('session_id');
  current    boolean;
begin
  if person is null then
    return;
  end if;

  -- The lock keeps the account until the change commits. A deletion takes the same lock first, so there is no deadlock.
  perform from auth.users u
    where u.id = person
      and u.deleted_at is null
      and (u.banned_until is null or u.banned_until <= now())
      for key share;
  current := found;
  -- NOTE: Auth puts a session into every JWT. One without was signed by somebody else who holds the secret, and is trusted.
  if session_id is not null and to_regclass('auth.sessions') is not null then
    current := current and exists (
      select from auth.sessions s
       where s.user_id = person
         and s.id::text = session_id
         and (s.not_after is null or s.not_after > now()));
  end if;
  if not current then
    perform babelon_private.raise_error('BBL_SESSION_ENDED', 'this session has ended', 'Sign in again.');
  end if;

  if babelon_private.caller_claim('aal') is distinct from 'aal2' and to_regclass('auth.mfa_factors') is not null then
    if exists (select from auth.mfa_factors f where f.user_id = person and f.status::text = 'verified') then
      perform babelon_private.raise_error('BBL_MFA_REQUIRED', 'this needs your second factor',
        'Sign in with your second factor too, so that the session is aal2.');
    end if;
  end if;
end
$$;

create function babelon_private.require_person()
returns uuid
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  case babelon_private.caller_kind()
    when 'user' then
      perform babelon_private.require_current_session();
    when 'token', 'service' then
      perform babelon_private.raise_error('BBL_FORBIDDEN', 'only a person can do this', 'Sign in.');
    else
      perform babelon_private.raise_error('BBL_UNAUTHENTICATED', 'authentication is required', 'Sign in.');
  end case;
  return babelon_private.caller_user_id();
end
$$;

-- The guard of every change in an organization. It asks for the session first: a person whose account is gone hears that,
-- and not that the organization is gone.
create function babelon_private.require_manager(organization_id uuid, minimum_role babelon.member_role default 'admin')
returns uuid
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  perform babelon_private.require_current_session();
  return babelon_private.require_role(organization_id, minimum_role);
end
$$;

-- Organizations.

-- Whether people may create organizations. The body is the answer and the operator's: no upgrade replaces it.
create function babelon_private.people_create_organizations()
returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
return true;

comment on function babelon_private.people_create_organizations is
  'Whether every account may create organizations. To forbid it, replace the function by one that returns false.';

create function babelon_private.create_organization(name text)
returns babelon.organizations
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  person uuid;
  new_id uuid;
  made   babelon.organizations;
begin
  perform babelon_private.require_own_organizations();
  person := babelon_private.require_person();
  if not babelon_private.people_create_organizations() then
    perform babelon_private.raise_error('BBL_FORBIDDEN', 'only the operator of this project creates organizations');
  end if;
  perform babelon_private.require_name(name);

  insert into babelon_private.own_organizations (name) values (create_organization.name) returning id into new_id;
  insert into babelon_private.own_memberships (organization_id, user_id, role) values (new_id, person, 'owner');

  select * into made from babelon.organizations o where o.id = new_id;
  return made;
end
$$;

create function babelon_private.rename_organization(organization_id uuid, name text)
returns babelon.organizations
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  organization uuid;
  renamed      babelon.organizations;
begin
  perform babelon_private.require_own_organizations();
  organization := babelon_private.require_manager(organization_id);
  if babelon_private.caller_kind() = 'token' then
    perform babelon_private.raise_error('BBL_FORBIDDEN', 'a token cannot rename its organization', 'Sign in.');
  end if;
  perform babelon_private.require_name(name);

  update babelon_private.own_organizations o set name = rename_organization.name where o.id = organization;
  if not found then
    perform babelon_private.raise_error('BBL_NOT_FOUND', 'the organization has just been deleted');
  end if;

  select * into renamed from babelon.organizations o where o.id = organization;
  return renamed;
end
$$;

create function babelon_private.delete_organization(organization_id uuid)
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  organization uuid;
begin
  perform babelon_private.require_own_organizations();
  organization := babelon_private.require_manager(organization_id, 'owner');

  -- As in authorize_member_change: the caller may have been demoted while waiting.
  update babelon_private.own_organizations o set members_changed_at = clock_timestamp() where o.id = organization;
  perform babelon_private.require_role(organization, 'owner');

  delete from babelon_private.own_organizations o where o.id = organization;
  set constraints all immediate;  -- what the project defers to the commit, too
exception when foreign_key_violation or restrict_violation then  -- the second from PostgreSQL 18 on
  perform babelon_private.raise_error('BBL_CONFLICT', 'the project still keeps data of this organization',
    'Delete that first; or let the project''s operator do it.');
end
$$;

-- Members.

-- Finds the person behind an email or a user ID, for a change in this organization; NULL if there is none. Members come
-- first, even if their account has been banned or deleted since; then people who are neither. An email matches only a person
-- who has confirmed it, so that nobody else gets the role. The look-up uses the index that Auth itself uses.
create function babelon_private.find_person(email text, user_id uuid, organization_id uuid)
returns uuid
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  people uuid[];
begin
  if num_nonnulls(email, user_id) <> 1 then
    perform babelon_private.raise_error('BBL_INVALID_INPUT', 'either email or user_id is required');
  end if;

  people := array(
    select m.user_id
      from babelon_private.memberships m
      join auth.users u on u.id = m.user_id
     where m.organization_id = find_person.organization_id
       and (m.user_id = find_person.user_id
            or lower(u.email) = lower(find_person.email) and u.email_confirmed_at is not null));
  if cardinality(people) = 0 and user_id is not null then
    people := array(
      select u.id from auth.users u
       where u.id = find_person.user_id
         and u.deleted_at is null and (u.banned_until is null or u.banned_until <= now()));
  elsif cardinality(people) = 0 then
    people := array(
      select u.id from auth.users u
       where u.instance_id = '00000000-0000-0000-0000-000000000000'
         and lower(u.email) = lower(find_person.email)
         and u.email_confirmed_at is not null
         and u.deleted_at is null and (u.banned_until is null or u.banned_until <= now()));
  end if;
  if cardinality(people) > 1 then
    perform babelon_private.raise_error('BBL_CONFLICT', 'several people have this email', 'Name one by user_id.');
  end if;
  return people[1];
end
$$;

-- Whether the organization has another owner, whose account is not deleted.
create function babelon_private.has_owner_besides(person uuid, organization_id uuid)
returns boolean
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return exists (
    select from babelon_private.memberships m
      join auth.users u on u.id = m.user_id
     where m.organization_id = has_owner_besides.organization_id
       and m.role = 'owner'
       and m.user_id is distinct from person
       and u.deleted_at is null);
end
$$;

-- Authorizes set_member and remove_member, whose new_role is NULL. Returns the organization and the person, and locks the
-- organization's members, so that two owners who demote each other cannot leave it without one. A caller who may change
-- nothing gets neither the lock nor an answer about anybody.
create function babelon_private.authorize_member_change(
  email text, user_id uuid, organization_id uuid, new_role babelon.member_role,
  out organization uuid, out person uuid)
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  caller   constant uuid := babelon_private.caller_user_id();
  -- Everybody can leave. Their own email then means themselves, even if others have it too.
  leaving  constant boolean := new_role is null and num_nonnulls(email, user_id) = 1 and (user_id = caller or exists (
    select from auth.users u where u.id = caller and lower(u.email) = lower(authorize_member_change.email)));
  old_role babelon.member_role;
begin
  perform babelon_private.require_own_organizations();
  organization := babelon_private.require_manager(organization_id, case when leaving then 'viewer' else 'admin' end::babelon.member_role);
  if babelon_private.caller_kind() = 'token' then
    perform babelon_private.raise_error('BBL_FORBIDDEN', 'a token cannot change members',
      'A member added by a leaked token would outlive its revocation. Sign in.');
  end if;
  person := case when leaving then caller else babelon_private.find_person(email, user_id, organization) end;
  if person is null then
    perform babelon_private.raise_error('BBL_NOT_FOUND', 'no account has this user ID or this confirmed email',
      'They sign up first, and confirm the address.');
  end if;

  -- An update and not only a row lock, which would not stop a transaction whose snapshot is older than the other's change.
  update babelon_private.own_organizations o set members_changed_at = clock_timestamp() where o.id = organization;
  -- Asked again under the lock: the caller may have been demoted while waiting.
  perform babelon_private.require_role(organization, case when leaving then 'viewer' else 'admin' end::babelon.member_role);

  select m.role into old_role
    from babelon_private.memberships m
   where m.organization_id = organization and m.user_id = person;

  if (old_role = 'owner' or new_role = 'owner')
     and caller is not null
     and not exists (select from babelon.tenant_ids('owner') own where own = organization)
     -- An admin may take an organization whose owners' accounts are all deleted.
     and babelon_private.has_owner_besides(null, organization) then
    perform babelon_private.raise_error('BBL_FORBIDDEN', 'only an owner can add, change or remove an owner');
  end if;
  if old_role = 'owner' and new_role is distinct from 'owner'
     and not babelon_private.has_owner_besides(person, organization) then
    perform babelon_private.raise_error('BBL_CONFLICT', 'an organization keeps at least one owner',
      'Make somebody else an owner first.');
  end if;
end
$$;

create function babelon_private.set_member(email text, role babelon.member_role, organization_id uuid, user_id uuid)
returns babelon.members
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  target record;
  made   babelon.members;
begin
  if role is null then
    perform babelon_private.raise_error('BBL_INVALID_INPUT', 'role is required');
  end if;
  target := babelon_private.authorize_member_change(email, user_id, organization_id, role);

  begin
    insert into babelon_private.own_memberships (organization_id, user_id, role)
    values (target.organization, target.person, set_member.role)
    on conflict on constraint own_memberships_pkey do update set role = excluded.role;
  exception when foreign_key_violation then
    perform babelon_private.raise_error('BBL_NOT_FOUND', 'the organization or the person has just been deleted');
  end;

  select * into made
    from babelon.members m
   where m.organization_id = target.organization and m.user_id = target.person;
  return made;
end
$$;

create function babelon_private.remove_member(email text, organization_id uuid, user_id uuid)
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  target record;
begin
  target := babelon_private.authorize_member_change(email, user_id, organization_id, null);

  delete from babelon_private.own_memberships m
   where m.organization_id = target.organization and m.user_id = target.person;
  if not found then
    perform babelon_private.raise_error('BBL_NOT_FOUND', 'this person is no member');
  end if;
end
$$;
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
-- The last step: everything that it switches on is there by now, with its grants.

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
    begin
      execute format('alter role authenticator set pgrst.db_pre_request = %L', ours);
    exception when insufficient_privilege then
      raise insufficient_privilege using
        message = format('the role %I cannot install the pre-request hook', current_user),
        hint = 'Run the migration as postgres.';
    end;
  else
    raise warning 'the pre-request hook % stays installed; token pairs are verified only by babelon''s own functions', installed
      using hint = 'Make it security invoker and let it call babelon_private.authenticate_request() first.';
  end if;
end
$$;

notify pgrst, 'reload config';
notify pgrst, 'reload schema';
