package tests

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/babelon/babelon/tests/stack"
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

func TestEvery_member_who_is_shown_can_be_changed_and_removed(t *testing.T) {
	owner := newAccount(t, nil)
	organization := ownedBy(t, owner)
	shared := newAccount(t, nil)
	members := map[string]stack.User{
		"one of two of one email":           shared,
		"the other, from single sign-on":    newAccount(t, args{"email": shared.Email, "is_sso_user": true}),
		"without email, signed in by phone": newAccount(t, args{"email": nil, "email_confirmed_at": nil, "phone": time.Now().Format("150405.000000")}),
		"anonymous":                         newAccount(t, args{"email": nil, "email_confirmed_at": nil, "is_anonymous": true}),
		"no longer confirmed":               newAccount(t, args{"email_confirmed_at": nil}),
		"deleted, but for the row":          newAccount(t, args{"deleted_at": time.Now()}),
		"banned":                            newAccount(t, args{"banned_until": time.Now().Add(time.Hour)}),
	}
	for _, member := range members {
		join(t, organization, member, "admin")
	}
	as(owner).rpc(t, "set_member", args{"email": shared.Email, "role": "viewer", "organization_id": organization}).want(t, 409, "BBL_CONFLICT")
	as(owner).rpc(t, "remove_member", args{"email": shared.Email, "organization_id": organization}).want(t, 409, "BBL_CONFLICT")
	for name, member := range members {
		t.Run(name, func(t *testing.T) {
			for _, role := range []string{"viewer", "owner", "member", "admin"} {
				var row struct{ Role string }
				as(owner).rpc(t, "set_member", args{"user_id": member.ID, "role": role, "organization_id": organization}).into(t, &row)
				if now := roles(t, organization)[member.ID]; now != role || row.Role != role {
					t.Errorf("as %s they are %s", role, now)
				}
			}
			if name == "banned" || name == "deleted, but for the row" {
				as(owner).rpc(t, "set_member", args{"email": member.Email, "role": "viewer", "organization_id": organization}).want(t, 200, "")
				as(owner).rpc(t, "remove_member", args{"email": member.Email, "organization_id": organization}).want(t, 204, "")
				join(t, organization, member, "viewer")
			}
			as(owner).rpc(t, "remove_member", args{"user_id": member.ID, "organization_id": organization}).want(t, 204, "")
			if _, left := roles(t, organization)[member.ID]; left {
				t.Error("they are still a member")
			}
			as(owner).rpc(t, "remove_member", args{"user_id": member.ID, "organization_id": organization}).want(t, 404, "BBL_NOT_FOUND")
		})
	}
	if members := roles(t, organization); len(members) != 1 || members[owner.ID] != "owner" {
		t.Errorf("left are %v", members)
	}
}

func TestWho_is_added_by_email_and_by_user_id(t *testing.T) {
	owner := newAccount(t, nil)
	organization := ownedBy(t, owner)
	add := func(name string, arguments args) answer {
		t.Helper()
		t.Log(name)
		arguments["role"], arguments["organization_id"] = "viewer", organization
		return as(owner).rpc(t, "set_member", arguments)
	}
	for name, gone := range map[string]args{
		"deleted": {"deleted_at": time.Now()}, "banned": {"banned_until": time.Now().Add(time.Hour)}, "banned for good": {"banned_until": "infinity"},
	} {
		user := newAccount(t, gone)
		add(name, args{"email": user.Email}).want(t, 404, "BBL_NOT_FOUND")
		add(name, args{"user_id": user.ID}).want(t, 404, "BBL_NOT_FOUND")

		successor := newAccount(t, args{"email": user.Email, "is_sso_user": true})
		add("who has the email of somebody "+name, args{"email": user.Email}).want(t, 200, "")
		if members := roles(t, organization); members[successor.ID] == "" || members[user.ID] != "" {
			t.Errorf("of the email of somebody %s, the wrong one was added", name)
		}
	}
	unconfirmed := newAccount(t, args{"email_confirmed_at": nil})
	add("unconfirmed", args{"email": unconfirmed.Email}).want(t, 404, "BBL_NOT_FOUND")
	add("unconfirmed", args{"user_id": unconfirmed.ID}).want(t, 200, "")
	add("whose ban is over", args{"email": newAccount(t, args{"banned_until": time.Now().Add(-time.Second)}).Email}).want(t, 200, "")
	add("anonymous", args{"user_id": newAccount(t, args{"email": nil, "is_anonymous": true}).ID}).want(t, 200, "")

	one := newAccount(t, nil)
	two := newAccount(t, args{"email": strings.ToUpper(one.Email), "is_sso_user": true})
	add("two of one email", args{"email": one.Email}).want(t, 409, "BBL_CONFLICT")
	add("one of them", args{"user_id": two.ID}).want(t, 200, "")
	add("the email, of which one is a member now", args{"email": one.Email}).want(t, 200, "")
	if members := roles(t, organization); members[two.ID] == "" || members[one.ID] != "" {
		t.Error("an email that a member has meant somebody else")
	}

	// A member's address that they have not confirmed may be anybody's: a role for its owner is not given to them.
	posing := newAccount(t, args{"email_confirmed_at": nil})
	join(t, organization, posing, "member")
	add("unconfirmed member", args{"email": posing.Email}).want(t, 404, "BBL_NOT_FOUND")
	rightful := newAccount(t, args{"email": posing.Email, "is_sso_user": true})
	add("who has confirmed the same email", args{"email": posing.Email}).want(t, 200, "")
	if members := roles(t, organization); members[rightful.ID] != "viewer" || members[posing.ID] != "member" {
		t.Error("a role for who has confirmed the email was given to who has not")
	}

	add("unknown email", args{"email": "nobody@example.com"}).want(t, 404, "BBL_NOT_FOUND")
	add("a pattern", args{"email": "%"}).want(t, 404, "BBL_NOT_FOUND")
	add("unknown user ID", args{"user_id": "00000000-0000-4000-8000-000000000000"}).want(t, 404, "BBL_NOT_FOUND")
	add("nobody", args{}).want(t, 400, "BBL_INVALID_INPUT")
	add("both", args{"email": one.Email, "user_id": one.ID}).want(t, 400, "BBL_INVALID_INPUT")
	as(owner).rpc(t, "remove_member", args{"organization_id": organization}).want(t, 400, "BBL_INVALID_INPUT")
	as(owner).rpc(t, "remove_member", args{"email": one.Email, "user_id": owner.ID, "organization_id": organization}).want(t, 400, "BBL_INVALID_INPUT")
}

func TestEverybody_can_leave_and_takes_nobody_of_the_same_email_along(t *testing.T) {
	owner := newAccount(t, nil)
	for _, role := range []string{"viewer", "member", "admin"} {
		for _, by := range []string{"email", "user_id"} {
			organization := ownedBy(t, owner)
			me := newAccount(t, nil)
			other := newAccount(t, args{"email": me.Email, "is_sso_user": true})
			join(t, organization, me, role)
			join(t, organization, other, role)
			leave := args{by: map[string]string{"email": strings.ToUpper(me.Email), "user_id": me.ID}[by], "organization_id": organization}
			as(me).rpc(t, "remove_member", leave).want(t, 204, "")
			if members := roles(t, organization); len(members) != 2 || members[other.ID] != role {
				t.Errorf("a %s left by %s, and left behind %v", role, by, members)
			}
			as(me).rpc(t, "remove_member", leave).want(t, 404, "BBL_NOT_FOUND") // no longer in it, and the other still is
			if members := roles(t, organization); members[other.ID] != role {
				t.Errorf("who is no member removed another one by %s", by)
			}
			if role != "admin" {
				as(other).rpc(t, "remove_member", args{"user_id": owner.ID, "organization_id": organization}).want(t, 403, "BBL_FORBIDDEN")
			}
		}
	}
}

func TestAn_organization_whose_last_owners_account_is_gone_can_be_given_another(t *testing.T) {
	for name, remove := range map[string]string{
		"deleted in Auth":                  "delete from auth.users where id = $1",
		"deleted in Auth, but for the row": "update auth.users set deleted_at = now() where id = $1",
	} {
		t.Run(name, func(t *testing.T) {
			owner, admin, second, member := newAccount(t, nil), newAccount(t, nil), newAccount(t, nil), newAccount(t, nil)
			abandoned := func() (organization string, take func(who caller, owner stack.User) answer) {
				organization = ownedBy(t, owner)
				join(t, organization, admin, "admin")
				join(t, organization, second, "admin")
				join(t, organization, member, "member")
				return organization, func(who caller, owner stack.User) answer {
					t.Helper()
					return who.rpc(t, "set_member", args{"user_id": owner.ID, "role": "owner", "organization_id": organization})
				}
			}
			_, take := abandoned()
			byService, giveByService := abandoned()
			raced, race := abandoned()
			take(as(admin), admin).want(t, 403, "BBL_FORBIDDEN") // not while there is an owner
			execute(t, "update auth.users set banned_until = 'infinity' where id = $1", owner.ID)
			take(as(admin), admin).want(t, 403, "BBL_FORBIDDEN") // nor while they are only banned
			execute(t, remove, owner.ID)

			take(as(member), member).want(t, 403, "BBL_FORBIDDEN")
			take(person("outsider"), people["outsider"]).want(t, 404, "BBL_NOT_FOUND")
			take(as(admin), admin).want(t, 200, "")
			take(as(second), second).want(t, 403, "BBL_FORBIDDEN") // from here on it is as ever
			take(as(admin), second).want(t, 200, "")

			giveByService(service(), member).want(t, 200, "")
			giveByService(as(admin), admin).want(t, 403, "BBL_FORBIDDEN")
			if owners := roles(t, byService); owners[member.ID] != "owner" {
				t.Errorf("the service made nobody an owner: %v", owners)
			}

			var answers [2]answer
			var wait sync.WaitGroup
			for i, who := range []stack.User{admin, second} {
				wait.Go(func() { answers[i] = race(as(who), who) })
			}
			wait.Wait()
			if owners := roles(t, raced); answers[0].status+answers[1].status != 200+403 || (owners[admin.ID] == "owner") == (owners[second.ID] == "owner") {
				t.Errorf("two admins at once were answered %d and %d, and the members are %v", answers[0].status, answers[1].status, owners)
			}
		})
	}
}
