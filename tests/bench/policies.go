package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// policiesSQL makes two tables of 200 rows in each of 1,000 organizations: one with the documented policies, one with
// policies as a project without Babelon writes them by hand. $1 in it is the person, who is in five organizations.
var policiesSQL = []string{
	`insert into babelon_private.own_organizations (id, name) select public.tenant(n), 'tenant' from generate_series(1, 1000) n`,
	`insert into babelon_private.own_memberships (organization_id, user_id, role) select public.tenant(n), $1, 'member' from generate_series(1, 5) n`,
	`create table public.team_members as select user_id, organization_id from babelon_private.memberships`,
	`alter table public.team_members add primary key (user_id, organization_id)`,
	`grant select on public.team_members to authenticated`,
	`create table public.documented (id int primary key, tenant_id uuid not null, label text)`,
	`insert into public.documented select n, public.tenant(1 + n % 1000), 'a label' from generate_series(1, 200000) n`,
	`create index on public.documented (tenant_id)`,
	`create table public.handwritten (like public.documented including all)`,
	`insert into public.handwritten select * from public.documented`,
	`alter table public.documented enable row level security`,
	`alter table public.handwritten enable row level security`,
	`grant select, insert, update, delete on public.documented, public.handwritten to authenticated, babelon_token`,
	`create policy all_viewer on public.documented to authenticated, babelon_token
	   using (tenant_id = any (array(select babelon.tenant_ids('viewer'))))`,
	`create policy all_person on public.handwritten to authenticated
	   using (tenant_id = any (array(select organization_id from public.team_members where user_id = (select auth.uid()))))`,
	`create policy all_token on public.handwritten to babelon_token
	   using (tenant_id = (select current_setting('app.tenant')::uuid))`,
	`vacuum analyze public.documented, public.handwritten, public.team_members, babelon_private.own_memberships, babelon_private.own_organizations`,
}

// Each is what Babelon's two views show: its own tables, or a project's (docs/teams).
const (
	ownTables = `
create or replace view babelon_private.organizations as select o.id, o.name from babelon_private.own_organizations o;
create or replace view babelon_private.memberships as select m.organization_id, m.user_id, m.role from babelon_private.own_memberships m`
	teamsTables = `
create table public.teams as select id, name, null::timestamptz as deleted_at from babelon_private.own_organizations;
alter table public.teams add primary key (id);
alter table public.team_members add column role text not null default 'editor';
grant select on public.teams, public.team_members to postgres;
analyze public.teams, public.team_members;
create or replace view babelon_private.organizations as select t.id, t.name from public.teams t where t.deleted_at is null;
create or replace view babelon_private.memberships as
select m.organization_id, m.user_id,
       case m.role when 'owner' then 'owner' when 'manager' then 'admin' when 'editor' then 'member' when 'guest' then 'viewer' end::babelon.member_role as role
  from public.team_members m join public.teams t on t.id = m.organization_id where t.deleted_at is null`
)

// policies measures single statements under the documented policy against the same under one written by hand.
func (b *bench) policies(ctx context.Context) error {
	person, err := b.project.SignUp(ctx, "policies@example.com", "correct horse battery staple")
	if err != nil {
		return err
	}
	const tenant = `create function public.tenant(n int) returns uuid language sql immutable return ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid`
	if _, err := b.db.Exec(ctx, tenant); err != nil {
		return err
	}
	for _, statement := range policiesSQL {
		if _, err := b.db.Exec(ctx, strings.ReplaceAll(statement, "$1", "'"+person.ID+"'")); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	var token string
	err = b.db.QueryRow(ctx, `
		insert into babelon_private.api_tokens (organization_id, client_id, secret_hash, name, role)
		values (public.tenant(1), public.id_of(400000000), sha256('x'), 'policies', 'member') returning id`).Scan(&token)
	if err != nil {
		return err
	}

	for _, shown := range []struct{ where, views string }{{"", ownTables}, {" in a project with teams", teamsTables}} {
		if _, err := b.db.Exec(ctx, shown.views); err != nil {
			return err
		}
		for _, caller := range []struct{ name, settings string }{
			{"a person in 5 organizations", fmt.Sprintf(`select set_config('role', 'authenticated', true),
				set_config('request.jwt.claims', '{"role":"authenticated","sub":"%s"}', true)`, person.ID)},
			{"a token", fmt.Sprintf(`select set_config('role', 'babelon_token', true),
				set_config('babelon.token_id', '%s', true), set_config('app.tenant', public.tenant(1)::text, true)`, token)},
		} {
			for _, s := range []struct{ verb, sql string }{
				{"select", "select count(*) from %s"},
				{"insert", "insert into %s values (0, '00000000-0000-4000-8000-000000000001', 'a label')"},
				{"update", "update %s set label = 'another' where id = 1000"},
				{"delete", "delete from %s where id = 1000"},
			} {
				documented, handwritten, err := b.besides(ctx, caller.settings, fmt.Sprintf(s.sql, "public.documented"), fmt.Sprintf(s.sql, "public.handwritten"))
				if err != nil {
					return fmt.Errorf("%s, %s: %w", caller.name, s.verb, err)
				}
				b.add(fmt.Sprintf("policies: %s by %s%s, against a policy by hand", s.verb, caller.name, shown.where), documented, "µs", handwritten, "≤ 1.5, + 30 µs")
			}
		}
	}
	_, err = b.db.Exec(ctx, ownTables)
	return err
}

// besides runs two statements in turns, each in a transaction of its own. Returns the median execution time of each in µs,
// without the client's part: what pg_stat_statements adds up between two turns.
func (b *bench) besides(ctx context.Context, settings, first, second string) (float64, float64, error) {
	db, err := pgx.Connect(ctx, b.project.SuperuserDatabaseURL)
	if err != nil {
		return 0, 0, err
	}
	defer db.Close(ctx)
	if _, err := b.db.Exec(ctx, "select pg_stat_statements_reset()"); err != nil {
		return 0, 0, err
	}
	var spent [2]float64
	var took [2][]float64
	for began := time.Now(); time.Since(began) < b.duration; {
		for _, statement := range []string{first, second} {
			tx, err := db.Begin(ctx)
			if err != nil {
				return 0, 0, err
			}
			if _, err := tx.Exec(ctx, settings); err != nil {
				return 0, 0, err
			}
			if _, err := tx.Exec(ctx, statement); err != nil {
				return 0, 0, err
			}
			if err := tx.Rollback(ctx); err != nil {
				return 0, 0, err
			}
		}
		var sums [2]float64
		err := b.db.QueryRow(ctx, `
			select max(total_exec_time) filter (where query like '%public.documented%') * 1000,
			       max(total_exec_time) filter (where query like '%public.handwritten%') * 1000
			  from pg_stat_statements where query not like '%pg_stat_statements%'`).Scan(&sums[0], &sums[1])
		if err != nil {
			return 0, 0, err
		}
		for i, sum := range sums {
			took[i] = append(took[i], sum-spent[i])
		}
		spent = sums
	}
	return median(took[0]), median(took[1]), nil
}
