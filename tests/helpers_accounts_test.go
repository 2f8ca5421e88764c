package tests

import (
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/babelon/babelon/tests/stack"
)

// bearing returns somebody whose JWT has these claims, as if Auth had signed it.
func bearing(t testing.TB, claims jwt.MapClaims) caller {
	t.Helper()
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(project.JWTSecret))
	if err != nil {
		t.Fatal(err)
	}
	return caller{"Authorization": "Bearer " + text}
}

// as returns the person as a caller.
func as(user stack.User) caller { return caller{"Authorization": "Bearer " + user.AccessToken} }

// newAccount makes somebody in auth.users of whom Auth knows what these columns say, beside a confirmed email that nobody
// else has. They are signed in, with a JWT that belongs to no session.
func newAccount(t testing.TB, columns args) stack.User {
	t.Helper()
	id := uuid.NewString()
	row := args{"id": id, "email": "account-" + rand.Text() + "@example.com", "email_confirmed_at": time.Now(), "created_at": time.Now()}
	maps.Copy(row, columns)
	names := slices.Sorted(maps.Keys(row))
	var values []any
	var places []string
	for i, name := range names {
		values = append(values, row[name])
		places = append(places, fmt.Sprintf("$%d", i+1))
	}
	execute(t, fmt.Sprintf("insert into auth.users (%s) values (%s)", strings.Join(names, ", "), strings.Join(places, ", ")), values...)
	email, _ := row["email"].(string)
	token := bearing(t, jwt.MapClaims{"role": "authenticated", "sub": id, "exp": time.Now().Add(time.Hour).Unix()})["Authorization"]
	return stack.User{ID: id, Email: email, AccessToken: strings.TrimPrefix(token, "Bearer ")}
}

// execute runs one statement as the superuser.
func execute(t testing.TB, statement string, arguments ...any) {
	t.Helper()
	db, err := pgx.Connect(t.Context(), project.SuperuserDatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(t.Context())
	if _, err := db.Exec(t.Context(), statement, arguments...); err != nil {
		t.Fatal(err)
	}
}

// ownedBy makes an organization of this person's. Returns its id.
func ownedBy(t testing.TB, owner stack.User) string {
	t.Helper()
	var made struct{ ID string }
	as(owner).rpc(t, "create_organization", args{"name": "Acme"}).into(t, &made)
	return made.ID
}

// join makes a person a member, whatever Babelon would say.
func join(t testing.TB, organization string, user stack.User, role string) {
	t.Helper()
	execute(t, "insert into babelon_private.own_memberships (organization_id, user_id, role) values ($1, $2, $3::text::babelon.member_role)", organization, user.ID, role)
}

// roles returns who is in the organization as what, by user ID.
func roles(t testing.TB, organization string) map[string]string {
	t.Helper()
	var rows []struct {
		UserID string `json:"user_id"`
		Role   string
	}
	service().send(t, "GET", "members?organization_id=eq."+organization, "babelon", nil).into(t, &rows)
	byID := map[string]string{}
	for _, row := range rows {
		byID[row.UserID] = row.Role
	}
	return byID
}
