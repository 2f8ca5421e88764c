-- The roles of a hosted Supabase project. `postgres`, which migrations run as, is no superuser: as one, a
-- missing privilege would stay invisible.
create role anon           nologin noinherit;
create role authenticated  nologin noinherit;
create role service_role   nologin noinherit bypassrls;
create role authenticator  login   noinherit password :'password';
create role postgres       login   createdb createrole replication bypassrls password :'password';

grant anon, authenticated, service_role to authenticator;
grant anon, authenticated, service_role, authenticator to postgres with admin option;
grant set on parameter "pgrst.db_pre_request" to postgres;
grant set on parameter "session_replication_role" to postgres;
