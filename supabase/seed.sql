-- A table of your own that tokens can reach, for local development, the demo and the tests.
-- This is the whole recipe: a tenant column, row-level security, one policy a verb, one grant to babelon_token.

create table public.deployments (
  id          bigint      generated always as identity primary key,
  tenant_id   uuid        not null default babelon.tenant_id()
                          references babelon_private.own_organizations (id) on delete cascade,
  service     text        not null,
  deployed_at timestamptz not null default now()
);
create index deployments_tenant_id_idx on public.deployments (tenant_id);

alter table public.deployments enable row level security;

create policy deployments_select_viewer on public.deployments
  for select to authenticated, babelon_token
  using (tenant_id = any (array(select babelon.tenant_ids('viewer'))));

create policy deployments_insert_member on public.deployments
  for insert to authenticated, babelon_token
  with check (tenant_id = any (array(select babelon.tenant_ids('member'))));

grant select, insert on public.deployments to authenticated, babelon_token;

notify pgrst, 'reload schema';
