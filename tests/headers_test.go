package tests

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// sendRaw sends header lines to PostgREST exactly as given, which no HTTP client or gateway would, and
// returns the whole answer without its Date, and its status.
func sendRaw(t *testing.T, lines ...string) (string, int) {
	t.Helper()
	address, err := url.Parse(project.PostgRESTURL)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.DialTimeout("tcp", address.Host, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(conn, "GET /announcements HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s\r\n\r\n", address.Host, strings.Join(lines, "\r\n"))
	var whole bytes.Buffer
	if _, err := whole.ReadFrom(conn); err != nil && whole.Len() == 0 {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(whole.Bytes())), nil)
	if err != nil {
		t.Fatalf("%v in %q", err, whole.String())
	}
	defer response.Body.Close()
	var kept []string
	for line := range strings.Lines(whole.String()) {
		if !strings.HasPrefix(line, "Date: ") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, ""), response.StatusCode
}

func TestEvery_wrong_pair_gets_one_byte_identical_401(t *testing.T) {
	token := generate(t, newOrganization(t), "member")
	id, secret := token.ClientID, token.APIToken
	var hash string
	err := connect(t, project.DatabaseURL).QueryRow(t.Context(),
		"select encode(secret_hash, 'hex') from babelon_private.api_tokens where client_id = $1", id).Scan(&hash)
	if err != nil {
		t.Fatal(err)
	}

	one, status := sendRaw(t, "X-Client-Id: bbl_cid_0123456789abcdef", "X-Api-Token: bbl_tok_0123456789abcdef0123456789abcdef")
	if status != 401 || !strings.Contains(one, "BBL_INVALID_TOKEN") || !strings.Contains(one, "WWW-Authenticate: Babelon") {
		t.Fatalf("an unknown pair got %s", one)
	}

	fullwidth := func(s string) string { // １ looks like 1
		return s[:8] + strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' {
				return r - '0' + '０'
			}
			return r
		}, s[8:])
	}
	for name, lines := range map[string][]string{
		"only the client ID":         {"X-Client-Id: " + id},
		"only the secret":            {"X-Api-Token: " + secret},
		"an empty secret":            {"X-Client-Id: " + id, "X-Api-Token:"},
		"both empty":                 {"X-Client-Id:", "X-Api-Token:"},
		"wrong secret":               {"X-Client-Id: " + id, "X-Api-Token: " + replaceLast(secret)},
		"unknown client ID":          {"X-Client-Id: " + replaceLast(id), "X-Api-Token: " + secret},
		"swapped":                    {"X-Client-Id: " + secret, "X-Api-Token: " + id},
		"wrong prefix of the ID":     {"X-Client-Id: bbl_xxx_" + id[8:], "X-Api-Token: " + secret},
		"wrong prefix of the secret": {"X-Client-Id: " + id, "X-Api-Token: bbl_key_" + secret[8:]},
		"no prefix":                  {"X-Client-Id: " + id, "X-Api-Token: " + secret[8:]},
		"upper-case ID":              {"X-Client-Id: " + strings.ToUpper(id), "X-Api-Token: " + secret},
		"upper-case secret":          {"X-Client-Id: " + id, "X-Api-Token: bbl_tok_" + strings.ToUpper("a"+secret[9:])},
		"15 digits":                  {"X-Client-Id: " + id[:23], "X-Api-Token: " + secret},
		"17 digits":                  {"X-Client-Id: " + id + "0", "X-Api-Token: " + secret},
		"31 digits":                  {"X-Client-Id: " + id, "X-Api-Token: " + secret[:39]},
		"33 digits":                  {"X-Client-Id: " + id, "X-Api-Token: " + secret + "0"},
		"full-width digits":          {"X-Client-Id: " + id, "X-Api-Token: " + fullwidth(secret)},
		"trailing blank":             {"X-Client-Id: " + id, "X-Api-Token: " + secret + " "},
		"a,b":                        {"X-Client-Id: " + id + "," + id, "X-Api-Token: " + secret + "," + secret},
		"10 KB":                      {"X-Client-Id: " + id, "X-Api-Token: " + secret + strings.Repeat("a", 10<<10)},
		"SQL":                        {"X-Client-Id: ' or true --", "X-Api-Token: '; drop table babelon_private.api_tokens; --"},
		"SQL beside a good ID":       {"X-Client-Id: " + id, "X-Api-Token: " + secret + "' or 'a'='a"},
		"the stored hash":            {"X-Client-Id: " + id, "X-Api-Token: " + hash},
		"the hash with a prefix":     {"X-Client-Id: " + id, "X-Api-Token: bbl_tok_" + hash[:32]},
		"null":                       {"X-Client-Id: null", "X-Api-Token: null"},
		"JSON":                       {`X-Client-Id: {"x-client-id":"` + id + `"}`, `X-Api-Token: "` + secret + `"`},
		"a backslash escape":         {"X-Client-Id: " + id, `X-Api-Token: ` + secret + `\u0000`},
		"of a duplicate, the last":   {"X-Client-Id: " + id, "X-Api-Token: " + secret, "X-Api-Token: bbl_tok_"},
	} {
		t.Run(name, func(t *testing.T) {
			got, _ := sendRaw(t, lines...)
			if got != one {
				t.Errorf("got\n%s\nwant\n%s", got, one)
			}
		})
	}

	if got, status := sendRaw(t, "X-Client-Id: "+id, "X-Api-Token: "+secret); status != 200 {
		t.Errorf("the right pair got %s", got)
	}
}

func TestA_header_that_PostgREST_itself_refuses_is_no_5xx_and_echoes_nothing(t *testing.T) {
	token := generate(t, newOrganization(t), "member")
	for name, lines := range map[string][]string{
		"NUL":    {"X-Client-Id: " + token.ClientID, "X-Api-Token: " + token.APIToken + "\x00"},
		"100 KB": {"X-Client-Id: " + token.ClientID, "X-Api-Token: " + token.APIToken + strings.Repeat("a", 100<<10)},
		"2 MB":   {"X-Client-Id: " + token.ClientID, "X-Api-Token: " + token.APIToken + strings.Repeat("a", 2<<20)},
	} {
		t.Run(name, func(t *testing.T) {
			got, status := sendRaw(t, lines...)
			t.Logf("%d", status)
			if status < 400 || status > 499 {
				t.Errorf("got %d", status)
			}
			if strings.Contains(got, token.APIToken) {
				t.Error("the secret is echoed")
			}
		})
	}
}

func TestThe_hook_reads_the_headers_as_a_JSON_parser_does(t *testing.T) {
	token := generate(t, newOrganization(t), "member")
	db := connect(t, project.DatabaseURL)
	accepts := func(headers map[string]string) bool {
		t.Helper()
		content, err := json.Marshal(headers)
		if err != nil {
			t.Fatal(err)
		}
		tx, err := db.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback(t.Context())
		if _, err := tx.Exec(t.Context(), "select set_config('role', 'anon', true), set_config('request.headers', $1, true)", string(content)); err != nil {
			t.Fatal(err)
		}
		var accepted bool
		if err := tx.QueryRow(t.Context(), "select babelon_private.verify_request()").Scan(&accepted); err != nil {
			wantSQLState(t, string(content), err, "PGRST")
		}
		return accepted
	}

	random := rand.New(rand.NewPCG(1, 2))
	mutate := func(text string) string {
		runes := []rune(text)
		for range random.IntN(3) {
			at, alphabet := random.IntN(len(runes)+1), []rune("\"\"\\\\\x00\n\tu0é１{}[]:, <b")
			piece := []rune{alphabet[random.IntN(len(alphabet))]}
			if random.IntN(4) == 0 {
				piece = []rune(`","x-api-token":"` + token.APIToken)
			}
			rest := runes[at:]
			if random.IntN(2) == 0 && len(rest) > 0 {
				rest = rest[1:]
			}
			runes = append(append(append([]rune{}, runes[:at]...), piece...), rest...)
		}
		return string(runes)
	}
	good := 0
	for range 3000 {
		headers := map[string]string{
			"x-client-id": mutate(token.ClientID), "x-api-token": mutate(token.APIToken),
			"user-agent": mutate(`curl "x-api-token":"`), mutate("x-tenant"): token.APIToken,
		}
		want := headers["x-client-id"] == token.ClientID && headers["x-api-token"] == token.APIToken
		if accepts(headers) != want {
			t.Errorf("accepted is %v of %q", !want, headers)
		}
		if want {
			good++
		}
	}
	if good < 100 {
		t.Errorf("only %d of the pairs were good", good)
	}
}
