package tests

import (
	"encoding/json"
	"net/http"
	"testing"
)

// The SQL is README's, as written. The project has no default privileges: what is not granted there, nobody has.
func TestA_new_table_opened_as_README_says_serves_people_and_tokens(t *testing.T) {
	blocks := written(t, "README.md", "### A new table")
	apply(t, project.DatabaseURL, blocks[0]+"notify pgrst, 'reload schema'")
	defer execute(t, "drop table public.builds; drop schema if exists factory cascade")
	organization := newOrganization(t)
	token, viewer := generate(t, organization, "member"), generate(t, organization, "viewer")
	back := func(c caller) caller { return c.with("Prefer", "return=representation") }
	insert := func(c caller, row args) answer {
		t.Helper()
		return c.send(t, http.MethodPost, "builds", "public", row)
	}
	eventually(t, "PostgREST knows the table", func() bool { return insert(viewer.caller(), args{"name": "x"}).status != 404 })

	for who, c := range map[string]caller{"a token": token.caller(), "a member": person("member"), "a backend": service()} {
		row := args{"name": who}
		if who != "a token" {
			refused := insert(c, row)
			if code := refused.code(); code != map[string]string{"a member": "42501", "a backend": "23502"}[who] {
				t.Errorf("%s that names no tenant gets %d %s", who, refused.status, refused.body)
			}
			row["tenant_id"] = organization
		}
		var made []map[string]any
		insert(back(c), row).into(t, &made)
		if len(made) != 1 || made[0]["tenant_id"] != organization {
			t.Errorf("%s made %v", who, made)
		}
	}
	insert(viewer.caller(), args{"name": "x"}).want(t, 405, "25006")
	insert(person("viewer"), args{"name": "x", "tenant_id": organization}).want(t, 403, "42501")
	insert(anonymous, args{"name": "x"}).want(t, 401, "42501")
	for who, want := range map[string]int{"viewer": 3, "outsider": 0} {
		var rows []json.RawMessage
		if person(who).get(t, "builds").into(t, &rows); len(rows) != want {
			t.Errorf("%s sees %d rows, want %d", who, len(rows), want)
		}
	}

	// A bigserial column, and a table in another schema: first without, then with what README grants. The other schema is not
	// exposed here, so PostgREST's statements go straight to the database.
	apply(t, project.DatabaseURL, "alter table public.builds add column number bigserial")
	insert(token.caller(), args{"name": "x"}).want(t, 401, "42501")
	apply(t, project.DatabaseURL, `create schema factory; create table factory.machines (tenant_id uuid not null default babelon.tenant_id(), name text);
		alter table factory.machines enable row level security;
		create policy machines_all on factory.machines to authenticated, babelon_token using (tenant_id = any (array(select babelon.tenant_ids())));
		grant select, insert on factory.machines to authenticated, babelon_token, service_role`)
	db := connect(t, asAuthenticator(project.DatabaseURL))
	machine := request{claims: map[string]string{"role": "anon"}, headers: map[string]string{"x-client-id": token.ClientID, "x-api-token": token.APIToken},
		query: "select count(*) from factory.machines"}
	if _, err := postgRESTs[0].send(t, db, machine); refusal(err) != "42501" {
		t.Errorf("without usage on its schema: %v", err)
	}
	apply(t, project.DatabaseURL, blocks[1])
	insert(token.caller(), args{"name": "x"}).want(t, 201, "")
	insert(person("member"), args{"name": "x", "tenant_id": organization}).want(t, 201, "")
	if rows, err := postgRESTs[0].send(t, db, machine); rows != "0" {
		t.Errorf("with usage on its schema: %s (%v)", rows, err)
	}
}

func TestA_table_with_rows_and_policies_opened_as_README_says_shows_people_what_it_did(t *testing.T) {
	organization := newOrganization(t)
	token := generate(t, organization, "viewer")
	member := newPerson(t)
	person("owner").rpc(t, "set_member", args{"user_id": people[member].ID, "role": "owner", "organization_id": organization}).want(t, 200, "")
	apply(t, project.DatabaseURL, `create table public.projects (id int primary key, owner_id uuid, secret boolean not null default false);
		alter table public.projects enable row level security;
		create policy projects_own on public.projects to authenticated using (owner_id = auth.uid() and not secret);
		grant select, insert on public.projects to authenticated, service_role`)
	defer execute(t, "drop table public.projects")
	execute(t, "insert into public.projects values (1, $1::uuid, false), (2, $1, true), (3, $2::uuid, false)", people[member].ID, people["outsider"].ID)

	apply(t, project.DatabaseURL, written(t, "README.md", "### A table with rows, and with policies of your own")[0]+"notify pgrst, 'reload schema'")

	ids := func(c caller) (found []int) {
		t.Helper()
		var rows []struct{ ID int }
		c.get(t, "projects?select=id&order=id").into(t, &rows)
		for _, row := range rows {
			found = append(found, row.ID)
		}
		return found
	}
	same := func(who string, got []int, want ...int) {
		t.Helper()
		if a, b := toJSON(t, got), toJSON(t, want); a != b {
			t.Errorf("%s sees %s, want %s", who, a, b)
		}
	}
	eventually(t, "PostgREST knows the table", func() bool {
		return token.caller().send(t, http.MethodPost, "projects", "public", args{"id": 5}).status != 404
	})
	same("a token", ids(token.caller()), 1, 2)
	same("who owns the rows", ids(person(member)), 1)
	person(member).send(t, http.MethodPost, "projects", "public", args{"id": 4, "owner_id": people[member].ID}).want(t, 201, "")
	same("who owns the rows", ids(person(member)), 1, 4)
	same("a token, of what a person has just made", ids(token.caller()), 1, 2)
	same("another owner of the organization", ids(person("owner")))
}

func toJSON(t *testing.T, value any) string {
	t.Helper()
	content, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
