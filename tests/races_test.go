package tests

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/babelon/babelon/tests/stack"
)

// Two changes at the same time. The first is held open after it, so that the second is certainly under way meanwhile.

var isolationLevels = []pgx.TxIsoLevel{pgx.ReadCommitted, pgx.RepeatableRead, pgx.Serializable}

// A change is one statement, by a person, or by the superuser where there is none.
type change struct {
	who       stack.User
	statement string
	arguments []any
}

func by(who stack.User, statement string, arguments ...any) change {
	return change{who, statement, arguments}
}

// begin begins a transaction as PostgREST does for this person.
func (c change) begin(t *testing.T, level pgx.TxIsoLevel) pgx.Tx {
	t.Helper()
	tx, err := connect(t, project.SuperuserDatabaseURL).BeginTx(t.Context(), pgx.TxOptions{IsoLevel: level})
	if err != nil {
		t.Fatal(err)
	}
	if c.who.ID != "" {
		claims := fmt.Sprintf(`{"role": "authenticated", "sub": %q}`, c.who.ID)
		if _, err := tx.Exec(t.Context(), "select set_config('request.jwt.claims', $1, true), set_config('role', 'authenticated', true)", claims); err != nil {
			t.Fatal(err)
		}
	}
	return tx
}

// finish makes the change, and commits.
func (c change) finish(t *testing.T, tx pgx.Tx) error {
	if _, err := tx.Exec(t.Context(), c.statement, c.arguments...); err != nil {
		return errors.Join(err, tx.Rollback(t.Context()))
	}
	return tx.Commit(t.Context())
}

// race makes the second change while the first is under way, and returns what came of the second.
func race(t *testing.T, level pgx.TxIsoLevel, first, second change) error {
	t.Helper()
	before, after := first.begin(t, level), second.begin(t, level)
	if _, err := before.Exec(t.Context(), first.statement, first.arguments...); err != nil {
		t.Fatalf("the first change: %v", err)
	}
	result := make(chan error, 1)
	go func() { result <- second.finish(t, after) }()
	waitForLock(t)
	if err := before.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	return <-result
}

// refusal is the BBL_ code of an error, or its SQLSTATE.
func refusal(err error) string {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		return fmt.Sprint(err)
	}
	var body struct{ Code string }
	if pgErr.Code == "PGRST" && json.Unmarshal([]byte(pgErr.Message), &body) == nil {
		return body.Code
	}
	return pgErr.Code
}

// wantRefusal fails the test unless the second change was refused by this code; or, where its snapshot is older than the first
// change, by a serialization failure, which PostgREST answers by making the request again.
func wantRefusal(t *testing.T, level pgx.TxIsoLevel, err error, code string) {
	t.Helper()
	got := refusal(err)
	if got != code && (level == pgx.ReadCommitted || got != "40001") {
		t.Errorf("got %s (%v), want %s", got, err, code)
	}
}

const (
	setRole            = "select babelon.set_member(user_id => $1, role => $2, organization_id => $3)"
	removeMember       = "select babelon.remove_member(user_id => $1, organization_id => $2)"
	deleteOrganization = "select babelon.delete_organization($1)"
	generateToken      = "select babelon.generate_api_token('x', $1)"
	revokeToken        = "select babelon.revoke_api_token($1)"
	renameOrganization = "select babelon.rename_organization('x', $1)"
	deleteAccount      = "delete from auth.users where id = $1"
)

func TestAn_organization_keeps_an_owner_whatever_two_owners_do_at_once(t *testing.T) {
	a, b, admin := newAccount(t, nil), newAccount(t, nil), newAccount(t, nil)
	for _, level := range isolationLevels {
		for name, changes := range map[string]func(organization string) (first, second change, code string){
			"both demote the other": func(o string) (change, change, string) {
				return by(a, setRole, b.ID, "member", o), by(b, setRole, a.ID, "member", o), "BBL_FORBIDDEN"
			},
			"both demote themselves": func(o string) (change, change, string) {
				return by(a, setRole, a.ID, "member", o), by(b, setRole, b.ID, "member", o), "BBL_CONFLICT"
			},
			"both leave": func(o string) (change, change, string) {
				return by(a, removeMember, a.ID, o), by(b, removeMember, b.ID, o), "BBL_CONFLICT"
			},
			"both remove the other": func(o string) (change, change, string) {
				return by(a, removeMember, b.ID, o), by(b, removeMember, a.ID, o), "BBL_NOT_FOUND"
			},
			"one demotes the other, and leaves": func(o string) (change, change, string) {
				return by(a, setRole, b.ID, "member", o), by(a, removeMember, a.ID, o), "BBL_CONFLICT"
			},
			"one leaves, the other demotes themselves": func(o string) (change, change, string) {
				return by(a, removeMember, a.ID, o), by(b, setRole, b.ID, "admin", o), "BBL_CONFLICT"
			},
			"one is demoted, and deletes the organization": func(o string) (change, change, string) {
				return by(a, setRole, b.ID, "admin", o), by(b, deleteOrganization, o), "BBL_FORBIDDEN"
			},
			"one is removed, and deletes the organization": func(o string) (change, change, string) {
				return by(a, removeMember, b.ID, o), by(b, deleteOrganization, o), "BBL_NOT_FOUND"
			},
			"one is demoted, and makes somebody an owner": func(o string) (change, change, string) {
				return by(a, setRole, b.ID, "admin", o), by(b, setRole, admin.ID, "owner", o), "BBL_FORBIDDEN"
			},
			"an admin is removed, and adds somebody": func(o string) (change, change, string) {
				return by(a, removeMember, admin.ID, o), by(admin, setRole, people["outsider"].ID, "viewer", o), "BBL_NOT_FOUND"
			},
		} {
			t.Run(string(level)+", "+name, func(t *testing.T) {
				organization := ownedBy(t, a)
				join(t, organization, b, "owner")
				join(t, organization, admin, "admin")
				first, second, code := changes(organization)
				wantRefusal(t, level, race(t, level, first, second), code)
				members := roles(t, organization)
				if members[a.ID] != "owner" && members[b.ID] != "owner" || members[people["outsider"].ID] != "" {
					t.Errorf("the members are %v", members)
				}
			})
			if level == pgx.ReadCommitted {
				continue
			}
			t.Run(string(level)+", "+name+", after a snapshot", func(t *testing.T) { // which the first change is not in, and waits for nobody
				organization := ownedBy(t, a)
				join(t, organization, b, "owner")
				join(t, organization, admin, "admin")
				first, second, _ := changes(organization)
				late := second.begin(t, level)
				if _, err := late.Exec(t.Context(), "select 1 from babelon.members"); err != nil {
					t.Fatal(err)
				}
				if err := first.finish(t, first.begin(t, level)); err != nil {
					t.Fatal(err)
				}
				wantSQLState(t, "the second change", second.finish(t, late), "40001")
			})
		}
	}
}

func TestOwners_who_demote_each_other_over_HTTP_leave_one_at_every_isolation_level(t *testing.T) {
	execute(t, "create or replace function public.isolation_level() returns text language sql as $$ select current_setting('transaction_isolation') $$")
	set := func(level string) {
		t.Helper()
		execute(t, fmt.Sprintf("alter role authenticated set default_transaction_isolation = '%s'", level))
		execute(t, "notify pgrst")
		eventually(t, "PostgREST goes by it", func() bool {
			return string(person("owner").send(t, "POST", "rpc/isolation_level", "public", args{}).body) == `"`+level+`"`
		})
	}
	defer func() {
		set("read committed")
		execute(t, "alter role authenticated reset default_transaction_isolation")
		execute(t, "drop function public.isolation_level()")
		execute(t, "notify pgrst")
	}()
	a, b := newAccount(t, nil), newAccount(t, nil)
	for _, level := range isolationLevels {
		set(string(level))
		for range 30 {
			organization := ownedBy(t, a)
			join(t, organization, b, "owner")
			answers := together(
				func() answer {
					return as(a).rpc(t, "set_member", args{"user_id": b.ID, "role": "member", "organization_id": organization})
				},
				func() answer {
					return as(b).rpc(t, "set_member", args{"user_id": a.ID, "role": "member", "organization_id": organization})
				})
			if answers[0].status+answers[1].status != 200+403 {
				t.Errorf("%s: they were answered %d %s and %d %s", level, answers[0].status, answers[0].body, answers[1].status, answers[1].body)
			}
			if members := roles(t, organization); (members[a.ID] == "owner") == (members[b.ID] == "owner") {
				t.Errorf("%s: the members are %v", level, members)
			}
		}
	}
}

// together makes requests at the same time.
func together(requests ...func() answer) []answer {
	answers := make([]answer, len(requests))
	start := make(chan struct{})
	var wait sync.WaitGroup
	for i, request := range requests {
		wait.Go(func() {
			<-start
			answers[i] = request()
		})
	}
	close(start)
	wait.Wait()
	return answers
}

func TestWhat_is_deleted_meanwhile_is_answered_by_a_code_of_ours(t *testing.T) {
	for _, level := range isolationLevels {
		for name, c := range map[string]struct {
			delete, change string
			code           string
		}{
			"the organization, and a token is made":        {"organization", generateToken, "BBL_NOT_FOUND"},
			"the organization, and a token is revoked":     {"organization", revokeToken, "BBL_NOT_FOUND"},
			"the organization, and somebody is added":      {"organization", setRole, "BBL_NOT_FOUND"},
			"the organization, and somebody is removed":    {"organization", removeMember, "BBL_NOT_FOUND"},
			"the organization, and it is renamed":          {"organization", renameOrganization, "BBL_NOT_FOUND"},
			"the organization, and it is deleted":          {"organization", deleteOrganization, "BBL_NOT_FOUND"},
			"the account, and a token is made":             {"account", generateToken, "BBL_SESSION_ENDED"},
			"the account, and a token is revoked":          {"account", revokeToken, "BBL_SESSION_ENDED"},
			"the account, and an organization is made":     {"account", "select babelon.create_organization('x')", "BBL_SESSION_ENDED"},
			"the person, and they are added":               {"person", setRole, "BBL_NOT_FOUND"},
			"the member, and their role is changed":        {"member", setRole, "BBL_NOT_FOUND"},
			"the member, and they are removed":             {"member", removeMember, "BBL_NOT_FOUND"},
			"the account, and somebody is added":           {"account", setRole, "BBL_SESSION_ENDED"},
			"the account, and somebody is removed":         {"account", removeMember, "BBL_SESSION_ENDED"},
			"the account, and the organization is renamed": {"account", renameOrganization, "BBL_SESSION_ENDED"},
			"the account, and the organization is deleted": {"account", deleteOrganization, "BBL_SESSION_ENDED"},
		} {
			t.Run(string(level)+", "+name, func(t *testing.T) {
				me, other, target := newAccount(t, nil), newAccount(t, nil), newAccount(t, nil)
				organization := ownedBy(t, other)
				join(t, organization, me, "owner")
				if c.delete == "member" || c.change == removeMember {
					join(t, organization, target, "viewer")
				}
				var token pair
				as(other).rpc(t, "generate_api_token", args{"name": "x", "organization_id": organization}).into(t, &token)

				deletion := by(stack.User{}, deleteAccount, map[string]string{"account": me.ID, "person": target.ID, "member": target.ID}[c.delete])
				if c.delete == "organization" {
					deletion = by(other, deleteOrganization, organization)
				}
				arguments := map[string][]any{
					generateToken: {organization}, renameOrganization: {organization}, deleteOrganization: {organization},
					revokeToken: {token.ClientID}, setRole: {target.ID, "member", organization}, removeMember: {target.ID, organization},
				}[c.change]
				err := race(t, level, deletion, by(me, c.change, arguments...))
				wantRefusal(t, level, err, c.code)
				var pgErr *pgconn.PgError
				if errors.As(err, &pgErr) && strings.Contains(pgErr.Detail+pgErr.Message+pgErr.Hint, "Key (") {
					t.Errorf("the error has values of a key: %s", pgErr.Detail)
				}
			})
		}
	}
}

// The same over HTTP, with nothing held: whatever the order, a person only ever reads codes of ours.
func TestAccounts_deleted_in_the_middle_of_their_own_changes_are_answered_by_a_code_of_ours(t *testing.T) {
	allowed := []string{"", "BBL_NOT_FOUND", "BBL_SESSION_ENDED", "BBL_FORBIDDEN"}
	for range 25 {
		me, other := newAccount(t, nil), newAccount(t, nil)
		organization := ownedBy(t, other)
		join(t, organization, me, "owner")
		var tokens [4]pair
		for i := range tokens {
			as(me).rpc(t, "generate_api_token", args{"name": "x", "organization_id": organization}).into(t, &tokens[i])
		}
		changes := []func() answer{func() answer { execute(t, deleteAccount, me.ID); return answer{} }}
		for _, token := range tokens {
			changes = append(changes, func() answer { return as(me).rpc(t, "revoke_api_token", args{"client_id": token.ClientID}) })
		}
		changes = append(changes,
			func() answer {
				return as(me).rpc(t, "generate_api_token", args{"name": "x", "organization_id": organization})
			},
			func() answer { return as(me).rpc(t, "create_organization", args{"name": "x"}) },
			func() answer {
				return as(other).rpc(t, "set_member", args{"user_id": me.ID, "role": "viewer", "organization_id": organization})
			})
		for _, a := range together(changes...) {
			if !slices.Contains(allowed, a.code()) {
				t.Errorf("got %d %s", a.status, a.body)
			}
		}
	}
}

func TestRetries_with_one_request_id_leave_one_token_at_every_isolation_level(t *testing.T) {
	const generate = "select babelon.generate_api_token('x', $1, request_id => '11111111-2222-4333-8444-555555555555')"
	me := newAccount(t, nil)
	for _, level := range isolationLevels {
		organization := ownedBy(t, me)
		err := race(t, level, by(me, generate, organization), by(me, generate, organization))
		if err != nil && (level == pgx.ReadCommitted || refusal(err) != "40001") {
			t.Errorf("%s: %v", level, err)
		}
		var tokens []token
		as(me).rpc(t, "list_api_tokens", args{"organization_id": organization}).into(t, &tokens)
		if len(tokens) != 1 {
			t.Errorf("%s: there are %d tokens", level, len(tokens))
		}
	}
}

func TestRevocations_at_once_leave_the_first_ones_time_and_person(t *testing.T) {
	first, second := newAccount(t, nil), newAccount(t, nil)
	for _, level := range isolationLevels {
		organization := ownedBy(t, first)
		join(t, organization, second, "admin")
		var made pair
		as(first).rpc(t, "generate_api_token", args{"name": "x", "organization_id": organization}).into(t, &made)
		err := race(t, level, by(first, revokeToken, made.ClientID), by(second, revokeToken, made.ClientID))
		if err != nil && (level == pgx.ReadCommitted || refusal(err) != "40001") {
			t.Errorf("%s: %v", level, err)
		}
		var revokedBy string
		var revokedAt time.Time
		err = connect(t, project.DatabaseURL).QueryRow(t.Context(),
			"select revoked_by, revoked_at from babelon_private.api_tokens where client_id = $1", made.ClientID).Scan(&revokedBy, &revokedAt)
		if err != nil || revokedBy != first.ID {
			t.Errorf("%s: revoked by %s (%v)", level, revokedBy, err)
		}
		made.caller().rpc(t, "whoami", args{}).want(t, 401, "BBL_TOKEN_REVOKED")
	}
}
