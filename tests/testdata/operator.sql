-- An operator's functions and tables that the tests look through.

-- What a request's own SQL can still read of its headers.
create function public.request_headers() returns json language sql stable as
$$ select current_setting('request.headers')::json $$;

-- Who the request is to PostgreSQL.
create function public.request_role() returns text language sql stable as $$ select current_user::text $$;

-- The same, with whatever a request could leave behind on its connection.
create function public.request_identity() returns json language sql volatile as
$$ select json_build_object(
     'connection', pg_backend_pid(), 'role', current_user, 'person', current_setting('request.jwt.claims')::json ->> 'sub', 'organizations', array(select babelon.tenant_ids()),
     'client_id', current_setting('request.headers')::json ->> 'x-client-id', 'read_only', current_setting('transaction_read_only'),
     'settings', concat(current_setting('babelon.token_id', true), current_setting('babelon.tenant_id', true), current_setting('babelon.role', true))) $$;

-- Open to everybody, signed in or not: a wrong pair must still not get in.
create table public.announcements (body text not null);
insert into public.announcements values ('hello');

-- A careless policy: whoever may insert at all may insert anything.
create table public.notes (body text not null);
alter table public.notes enable row level security;
create policy notes_all on public.notes for all to babelon_token using (true) with check (true);
create function public.write_note(body text) returns void language sql volatile as
$$ insert into public.notes values (body) $$;

-- Fails after the request was authenticated.
create function public.conflict() returns void language plpgsql as
$$ begin raise unique_violation; end $$;

grant select on public.announcements to anon, authenticated, service_role;
grant all on public.deployments to service_role;
grant select, insert, update, delete on public.notes to babelon_token;
notify pgrst, 'reload schema';
