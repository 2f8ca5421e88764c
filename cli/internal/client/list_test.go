package client_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/babelon/babelon/cli/internal/client"
	"github.com/babelon/babelon/cli/internal/fault"
)

// A table answers as PostgREST does for a table of one or two key columns.
type table struct {
	rows []map[string]any
	cap  int               // of an answer, in rows
	lie  string            // Content-Range, unless empty
	then func(rows *table) // after each answer
	got  func(url.Values)  // of each request; nil for nothing
	sent int               // rows, in all answers
}

func (s *table) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if s.got != nil {
		s.got(query)
	}
	columns := strings.Split(strings.ReplaceAll(cmp.Or(query.Get("order"), "client_id.asc"), ".asc", ""), ",")
	key := func(row map[string]any) (k []string) {
		for _, column := range columns {
			k = append(k, row[column].(string))
		}
		return k
	}
	after := make([]string, len(columns))
	if len(columns) == 2 && query.Has("or") {
		var again string
		form := strings.NewReplacer(".", " ", ",", " ", "(", " ", ")", " ").Replace(query.Get("or"))
		_, err := fmt.Sscanf(form, " organization_id gt %s and organization_id eq %s user_id gt %s", &after[0], &again, &after[1])
		if err != nil || again != after[0] {
			http.Error(w, query.Get("or"), http.StatusBadRequest)
			return
		}
	} else if query.Has(columns[0]) && strings.HasPrefix(query.Get(columns[0]), "gt.") {
		after[0] = strings.TrimPrefix(query.Get(columns[0]), "gt.")
	}
	limit, err := strconv.Atoi(query.Get("limit"))
	if err != nil {
		limit = len(s.rows)
	}
	page, total := []map[string]any{}, 0
	for _, row := range slices.SortedFunc(slices.Values(s.rows), func(a, b map[string]any) int { return slices.Compare(key(a), key(b)) }) {
		if of, ok := strings.CutPrefix(query.Get("organization_id"), "eq."); ok && row["organization_id"] != of {
			continue
		}
		state, _ := row["state"].(string)
		if is, ok := strings.CutPrefix(query.Get("state"), "eq."); ok && state != is {
			continue
		}
		if not, ok := strings.CutPrefix(query.Get("state"), "neq."); ok && state == not {
			continue
		}
		if is, ok := strings.CutPrefix(query.Get("client_id"), "eq."); ok && row["client_id"] != is {
			continue
		}
		total++
		if slices.Compare(key(row), after) > 0 && len(page) < min(limit, s.cap) {
			page = append(page, row)
		}
	}
	if r.Header.Get("Prefer") == "count=exact" {
		w.Header().Set("Content-Range", fmt.Sprintf("0-%d/%d", len(page)-1, total))
	}
	s.sent += len(page)
	if s.lie != "" {
		w.Header().Set("Content-Range", s.lie)
	}
	body, _ := json.Marshal(page)
	answer(w, 200, string(body))
	if s.then != nil {
		s.then(s)
	}
}

func id(n int) string { return fmt.Sprintf("%08x-0f3a-4a52-9f60-2a4f0c6f1a11", n) }

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// tokens are rows of which every third is revoked, in no order of their keys.
func tokens(n int) (rows []map[string]any) {
	for i := range n {
		row := map[string]any{"client_id": fmt.Sprintf("bbl_cid_%016x", i*2654435761%1000003), "organization_id": tenant, "role": "member",
			"state": "active", "created_at": noon.Add(time.Duration(i) * time.Second)}
		if i%3 == 0 {
			row["state"] = "revoked"
		}
		rows = append(rows, row)
	}
	return rows
}

func TestEvery_row_of_a_list_is_there_once_whatever_the_server_caps_an_answer_at(t *testing.T) {
	const total = 206
	var organizations, members []map[string]any
	for i := range total {
		organizations = append(organizations, map[string]any{"id": id(i), "name": fmt.Sprint("Acme ", (total-i)%7), "created_at": noon})
		members = append(members, map[string]any{"organization_id": id(i % 3), "user_id": id(i), "role": "member", "created_at": noon,
			"email": fmt.Sprintf("p%03d@example.com", total-i)})
	}
	for _, lie := range []string{"", "0-76/77", "0-76/1000000", "*/0", "x"} {
		for _, cap := range []int{1, 77, 103, 1000} {
			ask := func(rows []map[string]any) *client.Client {
				return serve(t, (&table{rows: rows, cap: cap, lie: lie}).ServeHTTP)
			}
			gotOrganizations, err := ask(organizations).Organizations(t.Context())
			if err != nil || len(gotOrganizations) != total || !slices.IsSortedFunc(gotOrganizations, func(a, b client.Organization) int {
				return strings.Compare(a.Name+a.ID, b.Name+b.ID)
			}) {
				t.Errorf("cap %d, %s: %d organizations, %v", cap, lie, len(gotOrganizations), err)
			}
			gotMembers, err := ask(members).Members(t.Context(), "")
			if err != nil || len(gotMembers) != total || *gotMembers[0].Email != "p001@example.com" || *gotMembers[total-1].Email != "p206@example.com" {
				t.Errorf("cap %d, %s: %d members, %v", cap, lie, len(gotMembers), err)
			}
			if some, err := ask(members).Members(t.Context(), id(1)); err != nil || len(some) != (total+1)/3 {
				t.Errorf("cap %d, %s: %d members of one organization, %v", cap, lie, len(some), err)
			}
			gotTokens, err := ask(tokens(total)).Tokens(t.Context(), "")
			if err != nil || len(gotTokens) != total || !slices.IsSortedFunc(gotTokens, func(a, b client.Token) int {
				return 10*strings.Compare(a.State, b.State) + b.CreatedAt.Compare(a.CreatedAt)
			}) {
				t.Errorf("cap %d, %s: %d tokens, %v", cap, lie, len(gotTokens), err)
			}
		}
	}
}

func TestA_list_loses_and_repeats_nothing_while_its_rows_change(t *testing.T) {
	const total = 206
	known := map[string]bool{}
	s := &table{rows: tokens(total), cap: 77}
	for _, row := range s.rows {
		known[row["client_id"].(string)] = true
	}
	pages := 0
	s.then = func(s *table) { // some are revoked, one comes before all others, and one after
		pages++
		for i, row := range s.rows {
			if i%5 == pages%5 {
				row["state"] = "revoked"
			}
		}
		s.rows = append(s.rows, tokens(1)[0], tokens(1)[0])
		s.rows[len(s.rows)-2]["client_id"] = fmt.Sprintf("bbl_cid_%016x", 0x7000000000000000+pages)
		s.rows[len(s.rows)-1]["client_id"] = fmt.Sprintf("bbl_cid_0000000000000%03x", pages)
		if pages > 20 {
			s.then = nil
		}
	}
	got, err := serve(t, s.ServeHTTP).Tokens(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, token := range got {
		seen[token.ClientID]++
	}
	for clientID := range known {
		if seen[clientID] != 1 {
			t.Errorf("%s is there %d times", clientID, seen[clientID])
		}
	}
	if pages < 4 {
		t.Errorf("%d pages", pages)
	}
}

func TestOnly_the_tokens_that_are_asked_for_are_sent(t *testing.T) {
	const total, dead = 206, 69
	s := &table{rows: tokens(total), cap: 77}
	c := serve(t, s.ServeHTTP)
	active, err := c.ActiveTokens(t.Context(), "")
	if err != nil || len(active) != total-dead || s.sent != total-dead || slices.ContainsFunc(active, func(token client.Token) bool { return token.State != client.Active }) {
		t.Errorf("%d active tokens, %d rows sent, %v", len(active), s.sent, err)
	}
	s.sent = 0
	if hidden, err := c.CountInactiveTokens(t.Context(), ""); err != nil || hidden != dead || s.sent > 1 {
		t.Errorf("%d others, %d rows sent, %v", hidden, s.sent, err)
	}
	s.lie = "0-0/*"
	if hidden, err := c.CountInactiveTokens(t.Context(), ""); err == nil || failure(t, err).Kind != fault.Unavailable {
		t.Errorf("without a count: %d, %v", hidden, err)
	}
	s.sent = 0
	for _, row := range []map[string]any{s.rows[3], s.rows[4]} { // one is revoked
		if found, err := c.FindToken(t.Context(), "", row["client_id"].(string)); err != nil || found.ClientID != row["client_id"] || found.State != row["state"] {
			t.Errorf("looked for %v, got %+v, %v", row, found, err)
		}
	}
	if found, err := c.FindToken(t.Context(), "", "bbl_cid_ffffffffffffffff"); err != nil || found.ClientID != "" || s.sent != 2 {
		t.Errorf("an unknown one: %+v, %v, %d rows sent", found, err, s.sent)
	}
}

func TestA_server_that_repeats_rows_or_never_ends_is_an_error_and_no_loop(t *testing.T) {
	page := func(rows ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, "["+strings.Join(rows, ",")+"]") }
	}
	endless := 0
	for name, handler := range map[string]http.HandlerFunc{
		"one page again and again": page(aTokenRow),
		"a row twice":              page(aTokenRow, aTokenRow),
		"the wrong order":          page(strings.ReplaceAll(aTokenRow, clientID, "bbl_cid_ffffffffffffffff"), aTokenRow),
		"nothing in a row":         page("null"),
		"half a row":               page(`{"client_id":"` + clientID + `"}`),
		"no list":                  func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, "null") },
		"rows without end": func(w http.ResponseWriter, _ *http.Request) {
			var rows []string
			for range 4000 {
				endless++
				rows = append(rows, strings.ReplaceAll(aTokenRow, clientID, fmt.Sprintf("bbl_cid_%016x", endless)))
			}
			answer(w, 200, "["+strings.Join(rows, ",")+"]")
		},
	} {
		requests := 0
		_, err := serve(t, func(w http.ResponseWriter, r *http.Request) {
			requests++
			handler(w, r)
		}).Tokens(t.Context(), "")
		if f := failure(t, err); f.Kind != fault.Unavailable || requests > 2 && name != "rows without end" {
			t.Errorf("%s: %d requests, %#v", name, requests, f)
		}
	}
}
