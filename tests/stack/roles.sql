-- The roles of a hosted Supabase project. `postgres` runs the migrations and is no superuser, so a missing privilege shows.
create role anon           nologin noinherit;
create role authenticated  nologin noinherit;
create role service_role   nologin noinherit bypassrls;
create role authenticator  login   noinherit password :'password';
create role postgres       login   createdb createrole replication bypassrls password :'password';

grant anon, authenticated, service_role to authenticator;
grant anon, authenticated, service_role to postgres with admin option;
grant set on parameter "pgrst.db_pre_request" to postgres;
grant set on parameter "session_replication_role" to postgres;

-- From 16 on, changing or granting a role takes its admin option, which hosted projects then have. Before, CREATEROLE is
-- enough for both, and postgres is no member of authenticator.
do $$
begin
  if current_setting('server_version_num')::int >= 160000 then
    grant authenticator to postgres with admin option;
  end if;
end
$$;
