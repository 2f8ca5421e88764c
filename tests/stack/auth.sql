-- The part of schema auth that Babelon reads, as Supabase Auth's own migrations make it. In the stack's database Supabase Lite
-- has made most of it, and this adds the rest. A database of NewDatabase has no Auth server, and this makes all of it.
create schema if not exists auth;

create type auth.aal_level     as enum ('aal1', 'aal2', 'aal3');
create type auth.factor_type   as enum ('totp', 'webauthn', 'phone');
create type auth.factor_status as enum ('unverified', 'verified');

create table if not exists auth.users (
  id                 uuid primary key,
  email              varchar(255),
  email_confirmed_at timestamptz,
  phone              text unique,
  phone_confirmed_at timestamptz,
  is_sso_user        boolean not null default false,
  is_anonymous       boolean not null default false,
  banned_until       timestamptz,
  deleted_at         timestamptz,
  created_at         timestamptz
);
-- Every user of a hosted project has the zero UUID here. Supabase Auth writes it, Lite does not.
alter table auth.users add column instance_id uuid default '00000000-0000-0000-0000-000000000000';
create unique index if not exists users_email_partial_key on auth.users (email) where is_sso_user = false;
create index users_instance_id_email_idx on auth.users (instance_id, lower(email::text));

create table if not exists auth.sessions (
  id         uuid primary key,
  user_id    uuid not null references auth.users (id) on delete cascade,
  not_after  timestamptz,
  aal        auth.aal_level,
  created_at timestamptz
);
-- Lite has text here. It compares with other text, which the enum refuses.
alter table auth.sessions drop constraint if exists sessions_aal_check;
alter table auth.sessions alter column aal type auth.aal_level using aal::auth.aal_level;
create index if not exists sessions_user_id_idx on auth.sessions (user_id);

create table auth.mfa_factors (
  id          uuid primary key,
  user_id     uuid not null references auth.users (id) on delete cascade,
  factor_type auth.factor_type not null,
  status      auth.factor_status not null,
  created_at  timestamptz not null,
  updated_at  timestamptz not null
);
create index mfa_factors_user_id_idx on auth.mfa_factors (user_id);

-- Lite's functions read only settings that PostgREST 12 no longer makes. These name nothing else in schema auth, so they work in
-- a policy of a role that may not use the schema.
create or replace function auth.uid() returns uuid language sql stable as $$
  select coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''),
                  nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid
$$;
create or replace function auth.role() returns text language sql stable as $$
  select coalesce(nullif(current_setting('request.jwt.claim.role', true), ''),
                  nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role')
$$;
create or replace function auth.email() returns text language sql stable as $$
  select coalesce(nullif(current_setting('request.jwt.claim.email', true), ''),
                  nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'email')
$$;
create or replace function auth.jwt() returns jsonb language sql stable as $$
  select coalesce(nullif(current_setting('request.jwt.claim', true), ''), nullif(current_setting('request.jwt.claims', true), ''))::jsonb
$$;

grant usage on schema auth to anon, authenticated, service_role, postgres;
grant all on all tables in schema auth to postgres;

-- Lite keeps a migration history under its own login, where the Supabase CLI keeps its own.
drop schema if exists supabase_migrations cascade;
