package tests

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// cache starts nginx in front of the project, as a cache that stores every answer unless it is told not to. Returns its API's URL.
func cache(t *testing.T) string {
	t.Helper()
	need(t, "/usr/sbin/nginx", "nginx-light")
	behind, err := url.Parse(project.URL)
	if err != nil {
		t.Fatal(err)
	}
	dir, address := t.TempDir(), "127.0.0.1:"+freePort(t)
	config := fmt.Sprintf(`
daemon off; master_process off; pid %[1]s/pid; error_log %[1]s/error.log;
events {}
http {
  access_log off;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  proxy_cache_path %[1]s/cache keys_zone=answers:1m;
  server {
    listen %[2]s;
    location / {
      proxy_pass http://%[3]s;
      proxy_cache answers;
      proxy_cache_valid any 10m;
      add_header X-Cache $upstream_cache_status always;
    }
  }
}`, dir, address, behind.Host)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	nginx := exec.CommandContext(t.Context(), "/usr/sbin/nginx", "-e", filepath.Join(dir, "error.log"), "-p", dir, "-c", file)
	if err := nginx.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nginx.Wait() }) // the test's context has ended it
	api := "http://" + address + "/rest/v1"
	eventually(t, "nginx listens", func() bool {
		answer, err := http.Get("http://" + address)
		if err == nil {
			answer.Body.Close()
		}
		return err == nil
	})
	return api
}

func TestA_shared_cache_never_gives_one_tokens_answer_to_another(t *testing.T) {
	api := cache(t)
	apply(t, project.DatabaseURL, `
		create function public.prices() returns text language sql stable as
		$$ select set_config('response.headers', '[{"Cache-Control": "public, max-age=600"}]', true); select current_user::text $$;
		notify pgrst, 'reload schema'`)
	defer execute(t, "drop function public.prices()")
	get := func(c caller, path string) answer {
		t.Helper()
		return c.sendTo(t, api, http.MethodGet, path, "public", nil)
	}
	mine, theirs := newOrganization(t), newOrganization(t)
	a, b, revoked := generate(t, mine, "member"), generate(t, theirs, "member"), generate(t, mine, "member")
	revoke(t, revoked)
	for _, p := range []pair{a, b} {
		p.caller().send(t, http.MethodPost, "deployments", "public", args{"service": p.ClientID}).want(t, 201, "")
	}

	// It is a cache: what is everybody's is served from it.
	get(anonymous, "announcements").want(t, 200, "")
	if got := get(anonymous, "announcements").want(t, 200, ""); got.header.Get("X-Cache") != "HIT" {
		t.Fatalf("the cache stores nothing: %v", got.header)
	}

	for range 2 {
		for _, p := range []pair{a, b} {
			got := get(p.caller(), "deployments?select=service").want(t, 200, "")
			if string(got.body) != `[{"service":"`+p.ClientID+`"}]` || got.header.Get("X-Cache") == "HIT" {
				t.Errorf("a token was served %s, %s", got.header.Get("X-Cache"), got.body)
			}
			if control, vary := got.header.Get("Cache-Control"), got.header.Values("Vary"); control != "private, no-store" || len(vary) == 0 || vary[0] != "X-Client-Id, X-Api-Token" {
				t.Errorf("Cache-Control: %s, Vary: %s", control, vary)
			}
		}
	}
	// Nor a refusal: the next token would be shut out by it.
	get(revoked.caller(), "deployments?select=id").want(t, 401, "BBL_TOKEN_REVOKED")
	get(a.caller(), "deployments?select=id").want(t, 200, "")

	// A function decides for itself.
	eventually(t, "PostgREST knows the function", func() bool { return a.caller().get(t, "rpc/prices").status == 200 })
	get(a.caller(), "rpc/prices").want(t, 200, "")
	if got := get(a.caller(), "rpc/prices"); got.header.Get("X-Cache") != "HIT" || got.header.Get("Cache-Control") != "public, max-age=600" {
		t.Errorf("a function's own Cache-Control is lost: %v", got.header)
	}
}

// An operator's hook that sets headers of its own, and then calls ours.
func TestHeaders_of_a_hook_that_calls_ours_stay_and_its_Cache_Control_wins(t *testing.T) {
	token := generate(t, newOrganization(t), "member")
	hook := func(headers string) {
		t.Helper()
		execute(t, `create or replace function public.their_hook() returns void language plpgsql as $$ begin
			perform set_config('response.headers', '`+headers+`', true);
			perform babelon_private.authenticate_request();
		end $$`)
	}
	hook(`[{"X-Theirs": "yes"}]`)
	defer execute(t, "drop function public.their_hook()")
	setHook(t, "public.their_hook")
	theirs := func() bool { return token.caller().get(t, "deployments").header.Get("X-Theirs") == "yes" }
	defer func() {
		hook(`[{"X-Theirs": "yes"}]`)
		setHook(t, "babelon_private.authenticate_request")
		eventually(t, "PostgREST calls Babelon's own hook again", func() bool { return !theirs() })
	}()
	eventually(t, "PostgREST calls the operator's hook", theirs)

	for headers, want := range map[string]map[string]string{
		`[{"X-Theirs": "yes"}]`:                                 {"X-Theirs": "yes", "Cache-Control": "private, no-store"},
		`[{"X-Theirs": "yes"}, {"cache-control": "max-age=1"}]`: {"X-Theirs": "yes", "Cache-Control": "max-age=1"},
		`[]`: {"Cache-Control": "private, no-store"},
		``:   {"Cache-Control": "private, no-store"},
	} {
		hook(headers)
		got := token.caller().get(t, "deployments").want(t, 200, "")
		want["Vary"] = "X-Client-Id, X-Api-Token"
		for name, value := range want {
			if values := got.header.Values(name); len(values) == 0 || values[0] != value || name == "Cache-Control" && len(values) > 1 {
				t.Errorf("%s: %s is %q, want %q", headers, name, values, value)
			}
		}
	}
}
