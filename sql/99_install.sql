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
