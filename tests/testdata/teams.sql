-- A project that has teams, as it was before Babelon came. Its row-level security holds for the tables' owner, too.

create table public.teams (
  id         uuid primary key default gen_random_uuid(),
  name       text not null,
  deleted_at timestamptz
);
create table public.team_members (
  team_id uuid not null references public.teams (id) on delete cascade,
  user_id uuid not null references auth.users (id) on delete cascade,
  role    text not null,
  primary key (team_id, user_id)
);
create index team_members_user_id_idx on public.team_members (user_id);
create table public.builds (
  id      bigint generated always as identity primary key,
  team_id uuid not null references public.teams (id) on delete cascade,
  name    text not null
);
create index builds_team_id_idx on public.builds (team_id);

alter table public.teams        enable row level security;
alter table public.team_members enable row level security;
alter table public.builds       enable row level security;
alter table public.teams        force row level security;
alter table public.team_members force row level security;

create policy team_members_select_own on public.team_members for select to authenticated
  using (user_id = (select auth.uid()));
create policy builds_select_team on public.builds for select to authenticated
  using (team_id in (select m.team_id from public.team_members m where m.user_id = (select auth.uid())));
create policy builds_insert_team on public.builds for insert to authenticated
  with check (team_id in (select m.team_id from public.team_members m where m.user_id = (select auth.uid()) and m.role <> 'guest'));
grant select on public.team_members to authenticated;
grant select, insert on public.builds to authenticated;
