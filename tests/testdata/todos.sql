-- A project without organizations: everybody has todos of their own. This is how it was before Babelon came.

create table public.todos (
  id      bigint generated always as identity primary key,
  user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
  text    text not null
);
create index todos_user_id_idx on public.todos (user_id);
alter table public.todos enable row level security;
create policy todos_all_own on public.todos to authenticated using (user_id = auth.uid()) with check (user_id = auth.uid());
grant select, insert, update, delete on public.todos to authenticated;
