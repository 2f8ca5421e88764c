package settings

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/babelon/babelon/cli/internal/client"
)

const (
	pageSize   = 50
	searchFrom = 11 // tokens from which on the list can be searched and filtered
)

// A selection is the part of the list that the page's address asks for, so that it survives a reload and works
// without scripts.
type selection struct {
	Search string // part of a name or of a client ID
	State  string // revoked or all; "" for active
	Role   string // "" for any
	Sort   string // a column's key, after "-" in descending order; "" for active tokens first, newest first
	Page   int    // from 1
}

// selected reads a selection from the query of an address. What it does not know is left out.
func selected(query url.Values) selection {
	s := selection{Search: strings.TrimSpace(query.Get("q"))}
	if state := query.Get("state"); state == "revoked" || state == "all" {
		s.State = state
	}
	if role := query.Get("role"); rank(role) >= 0 {
		s.Role = role
	}
	known := func(c column) bool { return c.Key == strings.TrimPrefix(query.Get("sort"), "-") }
	if slices.ContainsFunc(columns, known) {
		s.Sort = query.Get("sort")
	}
	page, _ := strconv.Atoi(query.Get("page"))
	s.Page = max(page, 1)
	return s
}

func (s selection) values() url.Values {
	values := url.Values{}
	for name, value := range map[string]string{"q": s.Search, "state": s.State, "role": s.Role, "sort": s.Sort} {
		if value != "" {
			values.Set(name, value)
		}
	}
	if s.Page > 1 {
		values.Set("page", strconv.Itoa(s.Page))
	}
	return values
}

// Query returns the selection as the query of an address, with its question mark, or "".
func (s selection) Query() string {
	if values := s.values(); len(values) > 0 {
		return "?" + values.Encode()
	}
	return ""
}

// matches reports whether a token has the role and the text that are searched for.
func (s selection) matches(t client.Token) bool {
	text := strings.ToLower(t.Name + " " + t.ClientID)
	return (s.Role == "" || s.Role == t.Role) && strings.Contains(text, strings.ToLower(s.Search))
}

// A column of the list sorts it.
type column struct {
	Key, Label string
	newest     bool // sorts in descending order first
	compare    func(a, b row) int
}

var columns = []column{
	{"name", "Name", false, func(a, b row) int { return compareText(a.Name, b.Name) }},
	{"id", "Client ID", false, func(a, b row) int { return cmp.Compare(a.ClientID, b.ClientID) }},
	{"role", "Role", false, func(a, b row) int { return rank(a.Role) - rank(b.Role) }},
	{"maker", "Made by", false, func(a, b row) int { return compareText(a.Maker(), b.Maker()) }},
	{"created", "Created", true, func(a, b row) int { return a.CreatedAt.Compare(b.CreatedAt) }},
	{"used", "Last used", true, func(a, b row) int { return timeOf(a.LastUsedAt).Compare(timeOf(b.LastUsedAt)) }},
	{"state", "Status", false, func(a, b row) int { return cmp.Or(cmp.Compare(a.State, b.State), cmp.Compare(a.Note(), b.Note())) }},
}

func compareText(a, b string) int { return cmp.Compare(strings.ToLower(a), strings.ToLower(b)) }

// rank returns where a role stands among those that tokens have, or -1.
func rank(role string) int { return slices.Index([]string{"viewer", "member", "admin"}, role) }

func timeOf(t *time.Time) time.Time { return *cmp.Or(t, &time.Time{}) }

// A row is a token in the list.
type row struct {
	client.Token
	Kept bool // it was revoked a moment ago, and stays in its place
	Twin bool // another token has its name
}

// Label names the token where its client ID is not beside it: two tokens of one name have different labels.
func (r row) Label() string {
	if r.Twin {
		return r.Name + " (" + r.Tail() + ")"
	}
	return r.Name
}

// Tail returns the end of the client ID.
func (r row) Tail() string { return "…" + r.ClientID[max(len(r.ClientID)-4, 0):] }

// Maker names the person who generated the token, or returns "" if that was a token or a backend.
func (r row) Maker() string {
	switch {
	case r.CreatedByEmail != nil:
		return *r.CreatedByEmail
	case r.CreatedBy != nil:
		return "account " + (*r.CreatedBy)[:min(8, len(*r.CreatedBy))]
	}
	return ""
}

// fill puts the tokens that are selected into the view. keep is the client ID of a token that was just revoked.
func (v *tokensView) fill(tokens []client.Token, keep string) {
	named := map[string]int{}
	for _, t := range tokens {
		named[strings.ToLower(t.Name)]++
	}
	inState, matching := 0, []row{}
	for _, t := range tokens {
		line := row{Token: t, Twin: named[strings.ToLower(t.Name)] > 1, Kept: t.State == client.Revoked && t.ClientID == keep}
		line.UsageAsOf = nil // it moves with every request and is not shown
		v.all = append(v.all, line)
		shown := v.State == "all" || t.State == cmp.Or(v.State, client.Active) || line.Kept
		if shown {
			inState++
		}
		if shown && v.matches(t) {
			matching = append(matching, line)
		}
		if t.State == client.Revoked && shown == (v.State == "all") && v.matches(t) {
			v.Revoked++
		}
	}
	v.CanSearch = inState >= searchFrom || v.Search != "" || v.Role != "" || v.State == "revoked"

	v.Total = len(matching)
	v.sort(matching)
	v.Pages = max(1, (v.Total+pageSize-1)/pageSize)
	v.Page = min(v.Page, v.Pages)
	v.First = (v.Page - 1) * pageSize
	v.Rows = matching[v.First:min(v.First+pageSize, v.Total)]
}

func (v *tokensView) sort(rows []row) {
	order := func(row, row) int { return 0 }
	for _, c := range columns {
		switch v.Sort {
		case c.Key:
			order = c.compare
		case "-" + c.Key:
			order = func(a, b row) int { return c.compare(b, a) }
		}
	}
	gone := func(r row) int {
		if v.Sort == "" && r.State != client.Active && !r.Kept {
			return 1
		}
		return 0
	}
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(order(a, b), gone(a)-gone(b), b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.ClientID, b.ClientID))
	})
}

// row returns the row of a token, on whatever page it is.
func (v *tokensView) row(clientID string) (row, bool) {
	at := slices.IndexFunc(v.all, func(r row) bool { return r.ClientID == clientID })
	if at < 0 {
		return row{Token: client.Token{ClientID: clientID}}, false
	}
	return v.all[at], true
}

// A header is a column as the page shows it. Link is the address of the list sorted by it.
type header struct{ Key, Label, Direction, Link string }

// Headers returns the columns of the list.
func (v tokensView) Headers() []header {
	var headers []header
	for _, c := range columns {
		h := header{Key: c.Key, Label: c.Label}
		sorted := v.selection
		sorted.Page, sorted.Sort = 1, c.Key
		if c.newest {
			sorted.Sort = "-" + c.Key
		}
		switch v.Sort {
		case c.Key:
			h.Direction, sorted.Sort = "ascending", "-"+c.Key
		case "-" + c.Key:
			h.Direction, sorted.Sort = "descending", c.Key
		}
		h.Link = v.Path + sorted.Query()
		headers = append(headers, h)
	}
	return headers
}

// At returns the address of another page of the same list.
func (v tokensView) At(page int) string {
	other := v.selection
	other.Page = page
	return v.Path + other.Query()
}

// In returns the address of the list with tokens of another state.
func (v tokensView) In(state string) string {
	other := v.selection
	other.Page, other.State = 1, state
	return v.Path + other.Query()
}

// Filtered reports whether something other than the tokens' state leaves some of them out.
func (v tokensView) Filtered() bool { return v.Search != "" || v.Role != "" || v.State == "revoked" }

// version changes with what the page shows, except that a time moves further into the past.
func (v tokensView) version() string {
	content, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("the page has no version: %v", err))
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:16])
}
