package tests

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/babelon/babelon/tests/stack"
)

// Projects that keep organizations themselves, as docs/organizations.md has it: its migrations and its statements are what
// runs here.

// inProjectWith makes a new project the one under test, until the test ends, and applies SQL to it.
func inProjectWith(t *testing.T, sql ...string) {
	t.Helper()
	startsOwnServers(t)
	theirs, theirPeople := project, people
	t.Cleanup(func() { project, people = theirs, theirPeople })
	own, err := stack.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { own.Stop() })
	project, people = own, map[string]stack.User{}
	for name := range theirPeople {
		if people[name], err = own.SignUp(t.Context(), name+"@example.com", password); err != nil {
			t.Fatal(err)
		}
	}
	for _, statements := range sql {
		apply(t, own.DatabaseURL, statements)
	}
	apply(t, own.DatabaseURL, "notify pgrst, 'reload schema'")
}

// waitForTable returns once PostgREST has read what the table is like; it can select before.
func waitForTable(t *testing.T, table string) {
	t.Helper()
	eventually(t, "PostgREST knows "+table, func() bool { return anonymous.send(t, http.MethodOptions, table, "public", nil).status == 200 })
}

func content(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var sqlBlock = regexp.MustCompile("(?s)```sql\n(.*?)```")

// documented returns the statements under a heading of docs/organizations.md, one text for each block.
func documented(t *testing.T, heading string) (blocks []string) {
	t.Helper()
	_, section, found := strings.Cut(content(t, "../docs/organizations.md"), "\n## "+heading+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for _, block := range sqlBlock.FindAllStringSubmatch(section, -1) {
		blocks = append(blocks, block[1])
	}
	if !found || len(blocks) == 0 {
		t.Fatalf("docs/organizations.md has no statements under %q", heading)
	}
	return blocks
}

func TestA_recipe_for_own_organizations_has_at_most_25_lines(t *testing.T) {
	for _, recipe := range []string{"teams", "personal"} {
		if n := strings.Count(content(t, "../docs/"+recipe+"/migration.sql"), "\n"); n > 25 {
			t.Errorf("%s has %d lines", recipe, n)
		}
	}
}

// wantElsewhere fails the test unless everything that would change organizations and members refuses these callers.
func wantElsewhere(t *testing.T, organization string, callers ...caller) {
	t.Helper()
	for _, c := range callers {
		for function, arguments := range map[string]args{
			"create_organization": {"name": "Acme"},
			"rename_organization": {"name": "Acme", "organization_id": organization},
			"delete_organization": {"organization_id": organization},
			"set_member":          {"email": people["outsider"].Email, "role": "viewer", "organization_id": organization},
			"remove_member":       {"email": people["owner"].Email, "organization_id": organization},
		} {
			c.rpc(t, function, arguments).want(t, 403, "BBL_ORGANIZATIONS_ELSEWHERE")
		}
		var me struct {
			Keeps *bool `json:"keeps_organizations"`
		}
		if c.rpc(t, "whoami", args{}).into(t, &me); me.Keeps == nil || *me.Keeps {
			t.Errorf("whoami says that Babelon keeps organizations: %v", me.Keeps)
		}
	}
}

// rows returns how many rows of a table of theirs the caller sees; -1 after an error.
func (c caller) rows(t *testing.T, table string) int {
	t.Helper()
	var rows []json.RawMessage
	if got := c.get(t, table); json.Unmarshal(got.body, &rows) != nil {
		t.Logf("%s", got.body)
		return -1
	}
	return len(rows)
}

func TestA_project_with_teams_goes_on_with_them_and_people_and_tokens_go_by_them(t *testing.T) {
	inProjectWith(t, content(t, "testdata/teams.sql"), content(t, "../docs/teams/migration.sql"), documented(t, "Teams: open a table")[0])
	team, other := uuid.NewString(), uuid.NewString()
	execute(t, "insert into public.teams (id, name) values ($1, 'Acme'), ($2, 'Others')", team, other)
	set := func(who, role string) {
		t.Helper()
		execute(t, `insert into public.team_members (team_id, user_id, role) values ($1, $2, $3)
			on conflict (team_id, user_id) do update set role = excluded.role`, team, people[who].ID, role)
	}
	words := map[string]string{"owner": "owner", "admin": "manager", "member": "editor", "viewer": "guest"}
	for role, word := range words {
		set(role, word)
	}
	set("outsider", "trainee") // which the migration does not name
	execute(t, "insert into public.team_members (team_id, user_id, role) values ($1, $2, 'owner')", other, people["owner"].ID)
	execute(t, "insert into public.builds (team_id, name) values ($1, 'ours'), ($2, 'theirs')", team, other)

	// Roles, and who is there.
	for role := range words {
		var rows []struct{ ID, Name, Role string }
		person(role).send(t, "GET", "organizations?id=eq."+team, "babelon", nil).into(t, &rows)
		if len(rows) != 1 || rows[0].Name != "Acme" || rows[0].Role != role {
			t.Errorf("the %s is in %v", role, rows)
		}
	}
	if got := roles(t, team); len(got) != 4 || got[people["admin"].ID] != "admin" {
		t.Errorf("the members are %v", got)
	}
	if got := person("outsider").rpc(t, "list_api_tokens", args{}).want(t, 404, "BBL_NOT_FOUND"); strings.Contains(string(got.body), "create_organization") {
		t.Errorf("somebody without access is told %s", got.body)
	}

	// Who makes tokens.
	generateAs := func(who string) answer {
		t.Helper()
		return person(who).rpc(t, "generate_api_token", args{"name": "x", "organization_id": team})
	}
	for who, c := range map[string]struct {
		status int
		code   string
	}{"owner": {200, ""}, "admin": {200, ""}, "member": {403, "BBL_FORBIDDEN"}, "viewer": {403, "BBL_FORBIDDEN"}, "outsider": {404, "BBL_NOT_FOUND"}} {
		generateAs(who).want(t, c.status, c.code)
	}
	admin, viewer, revoked, elsewhere := generate(t, team, "admin"), generate(t, team, "viewer"), generate(t, team, "member"), generate(t, other, "member")
	person("admin").rpc(t, "revoke_api_token", args{"client_id": revoked.ClientID}).want(t, 200, "")
	if got := list(t, team); len(got) != 5 || *got[admin.ClientID].CreatedByRole != "owner" {
		t.Errorf("the list is %v", got)
	}

	// The project's table, for tokens and for people; and what is the people's alone.
	eventually(t, "PostgREST knows the table", func() bool { return admin.caller().get(t, "builds").status == 200 })
	admin.caller().send(t, http.MethodPost, "builds", "public", args{"name": "by a token"}).want(t, 201, "")
	admin.caller().send(t, http.MethodPost, "builds", "public", args{"name": "x", "team_id": other}).want(t, 401, "42501")
	viewer.caller().send(t, http.MethodPost, "builds", "public", args{"name": "x"}).want(t, 405, "25006")
	revoked.caller().get(t, "builds").want(t, 401, "BBL_TOKEN_REVOKED")
	person("viewer").send(t, http.MethodPost, "builds", "public", args{"name": "x", "team_id": team}).want(t, 403, "42501")
	for who, c := range map[string]struct {
		caller caller
		rows   int
	}{"admin token": {admin.caller(), 2}, "viewer token": {viewer.caller(), 2}, "other team's token": {elsewhere.caller(), 1},
		"owner of both": {person("owner"), 3}, "viewer": {person("viewer"), 2}, "trainee, by the project's own policy": {person("outsider"), 2}} {
		if got := c.caller.rows(t, "builds"); got != c.rows {
			t.Errorf("%s sees %d builds, not %d", who, got, c.rows)
		}
	}
	if got := person("viewer").rows(t, "team_members"); got != 1 {
		t.Errorf("somebody sees %d memberships, not only their own", got)
	}
	admin.caller().get(t, "team_members").want(t, 401, "42501")
	person("owner").get(t, "teams").want(t, 403, "42501")

	wantElsewhere(t, team, person("owner"), admin.caller(), service())
	saysElsewhere(t, "owner")
	showsElsewhere(t, "outsider")

	// What changes in their tables is so at once.
	set("admin", "guest")
	generateAs("admin").want(t, 403, "BBL_FORBIDDEN")
	set("admin", "trainee")
	generateAs("admin").want(t, 404, "BBL_NOT_FOUND")
	set("admin", "manager")
	generateAs("admin").want(t, 200, "")
	execute(t, "delete from public.team_members where user_id = $1", people["admin"].ID)
	generateAs("admin").want(t, 404, "BBL_NOT_FOUND")

	// A team that is marked as deleted, and comes back; and one that is deleted.
	execute(t, "update public.teams set deleted_at = now() where id = $1", team)
	admin.caller().get(t, "builds").want(t, 401, "BBL_TOKEN_REVOKED")
	generateAs("owner").want(t, 404, "BBL_NOT_FOUND")
	execute(t, "update public.teams set deleted_at = null where id = $1", team)
	admin.caller().get(t, "builds").want(t, 401, "BBL_TOKEN_REVOKED")
	generateAs("owner").want(t, 200, "")
	elsewhere.caller().get(t, "builds").want(t, 200, "")
	execute(t, "delete from public.teams where id = $1", other)
	elsewhere.caller().get(t, "builds").want(t, 401, "BBL_INVALID_TOKEN")
}

func TestA_project_without_organizations_has_tokens_of_each_person(t *testing.T) {
	inProjectWith(t, content(t, "testdata/todos.sql"), content(t, "../docs/personal/migration.sql"), documented(t, "Personal: open a table")[0])
	ada, grace := people["owner"], people["outsider"]
	waitForTable(t, "todos")

	var mine []struct{ ID, Name, Role string }
	as(ada).send(t, "GET", "organizations", "babelon", nil).into(t, &mine)
	if len(mine) != 1 || mine[0].ID != ada.ID || mine[0].Name != ada.Email || mine[0].Role != "owner" {
		t.Errorf("somebody is in %v", mine)
	}
	if got := roles(t, ada.ID); len(got) != 1 || got[ada.ID] != "owner" {
		t.Errorf("the members of somebody are %v", got)
	}

	// Nobody needs to name the one organization that they are.
	generated := func(user stack.User, role string) (made pair) {
		t.Helper()
		as(user).rpc(t, "generate_api_token", args{"name": "ci", "role": role}).into(t, &made)
		return made
	}
	member, viewer, hers := generated(ada, "member"), generated(ada, "viewer"), generated(grace, "member")
	as(grace).rpc(t, "generate_api_token", args{"name": "x", "organization_id": ada.ID}).want(t, 404, "BBL_NOT_FOUND")
	as(grace).rpc(t, "revoke_api_token", args{"client_id": member.ClientID}).want(t, 404, "BBL_NOT_FOUND")

	// The project's table: a token has the person's own rows, and its rows are theirs.
	as(ada).send(t, http.MethodPost, "todos", "public", args{"text": "by herself"}).want(t, 201, "")
	member.caller().send(t, http.MethodPost, "todos", "public", args{"text": "by a token"}).want(t, 201, "")
	member.caller().send(t, http.MethodPost, "todos", "public", args{"text": "x", "user_id": grace.ID}).want(t, 401, "42501")
	viewer.caller().send(t, http.MethodPost, "todos", "public", args{"text": "x"}).want(t, 405, "25006")
	hers.caller().send(t, http.MethodPost, "todos", "public", args{"text": "by another's"}).want(t, 201, "")
	for who, c := range map[string]struct {
		caller caller
		rows   int
	}{"she": {as(ada), 2}, "her token": {member.caller(), 2}, "her viewer token": {viewer.caller(), 2}, "another": {as(grace), 1}, "another's token": {hers.caller(), 1}} {
		if got := c.caller.rows(t, "todos"); got != c.rows {
			t.Errorf("%s sees %d todos, not %d", who, got, c.rows)
		}
	}
	as(ada).rpc(t, "revoke_api_token", args{"client_id": viewer.ClientID}).want(t, 200, "")
	viewer.caller().get(t, "todos").want(t, 401, "BBL_TOKEN_REVOKED")
	var listed []token
	if as(ada).rpc(t, "list_api_tokens", args{}).into(t, &listed); len(listed) != 2 {
		t.Errorf("the list is %v", listed)
	}

	wantElsewhere(t, ada.ID, as(ada), member.caller(), service())
	saysElsewhere(t, "owner")

	// Whoever may not sign in has no token; and one who has neither email nor phone has an organization with a name.
	for what, columns := range map[string]args{"deleted": {}, "banned": {}, "removed": {}, "without an email": {"email": nil, "email_confirmed_at": nil}} {
		user := newAccount(t, columns)
		made := generated(user, "member")
		made.caller().get(t, "todos").want(t, 200, "")
		status, code := 401, "BBL_TOKEN_REVOKED"
		switch what {
		case "deleted":
			execute(t, "update auth.users set deleted_at = now() where id = $1", user.ID)
			as(user).rpc(t, "list_api_tokens", args{}).want(t, 404, "BBL_NOT_FOUND")
		case "banned":
			execute(t, "update auth.users set banned_until = now() + interval '1 day' where id = $1", user.ID)
		case "removed":
			execute(t, "delete from auth.users where id = $1", user.ID)
			code = "BBL_INVALID_TOKEN"
		default:
			status, code = 200, ""
		}
		made.caller().get(t, "todos").want(t, status, code)
	}
	member.caller().get(t, "todos").want(t, 200, "")
}

// saysElsewhere fails the test unless the command line tells who manages organizations, and what to do.
func saysElsewhere(t *testing.T, who string) {
	t.Helper()
	home := t.TempDir()
	logIn(t, home, who)
	organization := uuid.NewString()
	for _, arguments := range [][]string{
		{"organization", "create", "Acme"}, {"organization", "rename", organization, "Acme"},
		{"organization", "delete", organization, "--yes"},
		{"member", "set", people["outsider"].Email, "viewer", "--organization", organization},
		{"member", "remove", people["outsider"].Email, "--organization", organization, "--yes"},
	} {
		command := exec.Command(binary, arguments...)
		command.Dir, command.Env = home, environment(home, project.URL)
		out, err := command.CombinedOutput()
		if code := command.ProcessState.ExitCode(); code != 1 || !strings.Contains(string(out), "this project keeps its organizations and members itself") ||
			!strings.Contains(string(out), "hint: ") {
			t.Errorf("%v: %v: %s", arguments, err, out)
		}
	}
}

// showsElsewhere fails the test unless the Settings page offers somebody in no organization nothing that cannot be done.
func showsElsewhere(t *testing.T, who string) {
	t.Helper()
	v := newVisitor(t, serveSettings(t, t.TempDir()))
	v.signIn(who, "")
	page := v.get("/")
	page.wantPage(t, 200, "You are in no organization yet")
	if strings.Contains(string(page.body), "organization create") {
		t.Errorf("the page offers what is refused: %s", page.body)
	}
}

func TestPostgreSQL_refuses_a_view_of_organizations_that_has_other_types(t *testing.T) {
	url, err := project.NewDatabase(t.Context(), "wrong_types")
	if err != nil {
		t.Fatal(err)
	}
	migrate(t, url)
	db := connect(t, url)
	for what, view := range map[string]string{
		"a bigint id":      "organizations as select 1::bigint as id, 'x'::text as name",
		"a varchar name":   "organizations as select gen_random_uuid() as id, 'x'::varchar as name",
		"no name":          "organizations as select gen_random_uuid() as id",
		"another order":    "memberships as select u.id as user_id, u.id as organization_id, 'owner'::babelon.member_role as role from auth.users u",
		"a role of text":   "memberships as select u.id as organization_id, u.id as user_id, 'owner'::text as role from auth.users u",
		"a user's bigints": "memberships as select u.id as organization_id, 1::bigint as user_id, 'owner'::babelon.member_role as role from auth.users u",
	} {
		_, err := db.Exec(t.Context(), "create or replace view babelon_private."+view)
		wantSQLState(t, what, err, "42P16")
	}
}

func TestA_project_whose_teams_have_bigint_keys_shows_them_as_uuids(t *testing.T) {
	inProjectWith(t, append([]string{`
		create table public.teams (id bigint generated always as identity (start with 41) primary key, name text not null);
		create table public.team_members (team_id bigint references public.teams on delete cascade, user_id uuid references auth.users on delete cascade,
		  role text, primary key (team_id, user_id));
		create table public.builds (id bigint generated always as identity, team_id bigint not null references public.teams on delete cascade, name text);
		create index on public.builds (team_id);
		alter table public.builds enable row level security;
		insert into public.teams (name) values ('Acme'), ('Others');
		insert into public.builds (team_id, name) values (41, 'ours'), (42, 'theirs')`},
		documented(t, "bigint keys")...)...)
	execute(t, "insert into public.team_members values (41, $1, 'owner')", people["owner"].ID)
	execute(t, "insert into public.team_members values (42, $1, 'owner')", people["outsider"].ID)
	waitForTable(t, "builds")

	made := generate(t, "00000000-0000-0000-0000-000000000029", "member")
	made.caller().send(t, http.MethodPost, "builds", "public", args{"name": "by a token"}).want(t, 201, "")
	made.caller().send(t, http.MethodPost, "builds", "public", args{"name": "x", "team_id": 42}).want(t, 401, "42501")
	person("owner").send(t, http.MethodPost, "builds", "public", args{"name": "by hand", "team_id": 41}).want(t, 201, "")
	for who, c := range map[string]struct {
		caller caller
		rows   int
	}{"the token": {made.caller(), 3}, "the owner": {person("owner"), 3}, "another": {person("outsider"), 1}} {
		if got := c.caller.rows(t, "builds"); got != c.rows {
			t.Errorf("%s sees %d builds, not %d", who, got, c.rows)
		}
	}
	execute(t, "delete from public.teams where id = 41")
	made.caller().get(t, "builds").want(t, 401, "BBL_INVALID_TOKEN")

	// Both ways, at the ends of bigint.
	execute(t, `do $$ declare id bigint; begin
		foreach id in array array[1, -1, 9223372036854775807, -9223372036854775808]::bigint[] loop
			assert public.team_id(lpad(to_hex(id), 32, '0')::uuid) = id;
		end loop; end $$`)
}

// The operator's edits to supabase/tests: the bodies of two functions. Of personal organizations nobody else is a member.
var ownOrganizations = []struct{ recipe, setup, organization, member string }{
	{"teams", "testdata/teams.sql",
		`with made as (insert into public.teams (name) values (name) returning id)
		 insert into public.team_members select id, owner, 'owner' from made returning team_id`,
		`insert into public.team_members
		 select organization, person, case role when 'viewer' then 'guest' when 'member' then 'editor' when 'admin' then 'manager' end`},
	{"personal", "testdata/todos.sql", `select owner`, `select`},
}

func TestEvery_actor_can_do_what_is_written_down_in_a_project_that_keeps_organizations_itself(t *testing.T) {
	for _, tool := range []string{"pg_prove", "psql"} {
		need(t, tool, "libtap-parser-sourcehandler-pgtap-perl postgresql-client")
	}
	startsOwnServers(t)
	extension := pgTAP(t)
	for _, version := range []int{15, 17, 18} {
		for _, own := range ownOrganizations {
			t.Run(own.recipe+" on PostgreSQL "+strconv.Itoa(version), func(t *testing.T) {
				url := installed(t, version)
				apply(t, url, content(t, own.setup))
				apply(t, url, content(t, "../docs/"+own.recipe+"/migration.sql"))
				edited := content(t, "../supabase/tests/policies.test.sql")
				replace := func(pattern, replacement string) {
					t.Helper()
					found := regexp.MustCompile(pattern)
					if !found.MatchString(edited) {
						t.Fatalf("the test has no %s", pattern)
					}
					edited = found.ReplaceAllLiteralString(edited, replacement)
				}
				replace(`(?s)\$new\$.*\$new\$`, "$new$ "+own.organization+" $new$")
				replace(`(?s)\$add\$.*\$add\$`, "$add$ "+own.member+" $add$")
				if own.recipe == "personal" {
					replace(`\b4A\b`, "A")
					replace(`(caller_members\(\).*\| - +\| 0 +)4 +4 +4 +4 +4 +4 +\| 4 +4 +4 +gone 0 +\| 4`, "caller_members() where organization_id::text = {A}) | - | 0 1 1 1 1 1 1 | 1 1 1 gone 0 | 1")
					replace(`\n-- The table, taken apart`, "\ndelete from actors where actor in ('viewer', 'member', 'admin');\n-- The table, taken apart")
				}
				folder := t.TempDir()
				if err := os.WriteFile(folder+"/policies.test.sql", []byte(edited), 0o600); err != nil {
					t.Fatal(err)
				}
				prove(t, url, extension, folder)
			})
		}
	}
}
