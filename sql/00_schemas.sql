-- API tokens for the users of a Supabase project.
--
-- Two schemas, so that what the API can see and what runs with more rights than its caller never meet:
-- `babelon` is exposed and holds views and thin functions; `babelon_private` holds the tables and every
-- function that runs as its definer, and is never exposed.

-- A busy project must not queue behind this migration: it gives up cleanly instead, and can be pushed again.
set local lock_timeout = '5s';
set local statement_timeout = '60s';

create schema babelon;
create schema babelon_private;

comment on schema babelon is
  'API tokens bound to one organization. Expose this schema: views by row-level security, functions that all run as their caller.';
comment on schema babelon_private is
  'Tables and definer functions behind schema babelon. Never expose this schema.';

-- Roles belong to the server, not to this database, so the role may be there already.
do $$
begin
  if not exists (select from pg_catalog.pg_roles where rolname = 'babelon_token') then
    create role babelon_token nologin noinherit;
  end if;
end
$$;

-- PostgREST connects as authenticator and switches to babelon_token once a pair is verified.
grant babelon_token to authenticator;
