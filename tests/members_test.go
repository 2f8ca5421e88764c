package tests

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestOnly_owners_touch_owners_and_only_admins_touch_members(t *testing.T) {
	organization := newOrganization(t)
	set := func(c caller, who, role string) answer {
		return c.rpc(t, "set_member", args{"email": people[who].Email, "role": role, "organization_id": organization})
	}
	remove := func(c caller, who string) answer {
		return c.rpc(t, "remove_member", args{"email": people[who].Email, "organization_id": organization})
	}

	set(person("member"), "outsider", "viewer").want(t, 403, "BBL_FORBIDDEN")
	set(person("viewer"), "viewer", "owner").want(t, 403, "BBL_FORBIDDEN")
	set(person("outsider"), "outsider", "owner").want(t, 404, "BBL_NOT_FOUND")
	set(anonymous, "outsider", "owner").want(t, 401, "BBL_UNAUTHENTICATED")
	set(generate(t, organization, "admin").caller(), "outsider", "viewer").want(t, 403, "BBL_FORBIDDEN")

	set(person("admin"), "outsider", "admin").want(t, 200, "")
	set(person("admin"), "outsider", "owner").want(t, 403, "BBL_FORBIDDEN")
	set(person("admin"), "admin", "owner").want(t, 403, "BBL_FORBIDDEN")
	set(person("admin"), "owner", "viewer").want(t, 403, "BBL_FORBIDDEN")
	remove(person("admin"), "owner").want(t, 403, "BBL_FORBIDDEN")
	remove(person("admin"), "outsider").want(t, 204, "")
	remove(person("admin"), "outsider").want(t, 404, "BBL_NOT_FOUND")
	remove(person("viewer"), "member").want(t, 403, "BBL_FORBIDDEN")
	remove(person("viewer"), "viewer").want(t, 204, "") // everybody can leave
	remove(person("viewer"), "viewer").want(t, 404, "BBL_NOT_FOUND")
	set(person("admin"), "viewer", "viewer").want(t, 200, "")

	set(person("owner"), "owner", "admin").want(t, 409, "BBL_CONFLICT")
	remove(person("owner"), "owner").want(t, 409, "BBL_CONFLICT")
	set(person("owner"), "admin", "owner").want(t, 200, "")
	set(person("owner"), "owner", "admin").want(t, 200, "") // now there is another

	service().rpc(t, "set_member", args{"email": people["owner"].Email, "role": "owner", "organization_id": organization}).want(t, 200, "")
	person("owner").rpc(t, "set_member", args{"email": "nobody@example.com", "role": "member", "organization_id": organization}).want(t, 404, "BBL_NOT_FOUND")
	person("owner").rpc(t, "set_member", args{"email": people["member"].Email, "role": nil, "organization_id": organization}).want(t, 400, "BBL_INVALID_INPUT")
	person("owner").rpc(t, "set_member", args{"email": strings.ToUpper(people["viewer"].Email), "role": "member", "organization_id": organization}).want(t, 200, "")
}

func TestAn_organization_keeps_an_owner_when_two_owners_demote_each_other_at_once(t *testing.T) {
	organization := newOrganization(t)
	person("owner").rpc(t, "set_member", args{"email": people["admin"].Email, "role": "owner", "organization_id": organization}).want(t, 200, "")

	// The first is held open after its change, so that the second is certainly under way meanwhile.
	as := func(who string) pgx.Tx {
		tx, err := connect(t, project.SuperuserDatabaseURL).Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		claims := `{"role":"authenticated","sub":"` + people[who].ID + `"}`
		if _, err := tx.Exec(t.Context(), "select set_config('request.jwt.claims', $1, true), set_config('role', 'authenticated', true)", claims); err != nil {
			t.Fatal(err)
		}
		return tx
	}
	demote := func(tx pgx.Tx, who string) error {
		_, err := tx.Exec(t.Context(), "select babelon.set_member($1, 'member', $2)", people[who].Email, organization)
		return err
	}
	first, second := as("owner"), as("admin")
	if err := demote(first, "admin"); err != nil {
		t.Fatal(err)
	}
	result := make(chan error, 1)
	go func() { result <- demote(second, "owner") }()
	waitForLock(t)
	if err := first.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantSQLState(t, "the second demotion", <-result, "PGRST")

	var owners int
	err := connect(t, project.DatabaseURL).QueryRow(t.Context(),
		"select count(*) from babelon_private.memberships where organization_id = $1 and role = 'owner'", organization).Scan(&owners)
	if err != nil || owners != 1 {
		t.Errorf("%d owners are left (%v)", owners, err)
	}
}

func TestA_token_whose_maker_was_demoted_is_shown_as_such_and_still_works(t *testing.T) {
	organization := newOrganization(t)
	var made pair
	person("admin").rpc(t, "generate_api_token", args{"name": "x", "organization_id": organization}).into(t, &made)
	if role := list(t, organization)[made.ClientID].CreatedByRole; role == nil || *role != "admin" {
		t.Errorf("its maker is %v", role)
	}
	person("owner").rpc(t, "remove_member", args{"email": people["admin"].Email, "organization_id": organization}).want(t, 204, "")
	if role := list(t, organization)[made.ClientID].CreatedByRole; role != nil {
		t.Errorf("its removed maker is %v", *role)
	}
	made.caller().rpc(t, "whoami", args{}).want(t, 200, "")
}
