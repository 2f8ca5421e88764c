-- What a hosted project grants in each database.
do $$
begin
  execute format('grant all on database %I to postgres', current_database());
end
$$;
grant all   on schema public to postgres;
grant usage on schema public to anon, authenticated, service_role;
-- NOTE: no default privileges. Since 30 October 2026 new tables of schema public are granted to nobody, in every project.
