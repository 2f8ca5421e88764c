package settings

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/babelon/babelon/cli/internal/client"
	"github.com/babelon/babelon/cli/internal/config"
	"github.com/babelon/babelon/cli/internal/credential"
)

// many is from how many tokens on there is a box to search them.
const many = 10

// tokensView is the page of an organization, with a dialog on it or none.
type tokensView struct {
	Title, CSRF, Email string
	Organizations      []client.Organization
	Organization       client.Organization
	Path               string

	Notice       string // what has just happened
	Problem      string // why the list is not there
	Rows         []row
	Revoked      int
	Shown        int  // not hidden
	ReadsCounted bool // reads are counted
	Query        string
	All          bool // revoked ones too
	Dialog       *dialog
}

// CanChange reports whether the buttons are there. The project decides for itself, whoever sends what.
func (v tokensView) CanChange() bool {
	role := cmp.Or(v.Organization.Role, new(string))
	return *role == "admin" || *role == "owner"
}

// CanSearch reports whether there is enough to search.
func (v tokensView) CanSearch() bool { return len(v.Rows) > many || v.Query != "" }

// A row is a token in the list.
type row struct {
	client.Token
	Note   string
	Hidden bool
}

// A dialog is on top of the page.
type dialog struct {
	Kind    string // generate, made or revoke
	Problem string

	Name, Role, RequestID string       // what was typed
	Token                 client.Token // to be revoked
	Made                  client.GeneratedToken
	Snippets              []snippet
}

// A snippet is the new pair as something takes it.
type snippet struct{ ID, Label, Hint, Text string }

func (s *Server) home(w http.ResponseWriter, r *http.Request, visitor *session) {
	as, err := s.as(r.Context(), visitor.person)
	var organizations []client.Organization
	if err == nil {
		organizations, err = as.Organizations(r.Context())
	}
	if s.isOver(w, r, err) {
		return
	}
	chosen := slices.IndexFunc(organizations, func(o client.Organization) bool { return o.ID == s.Config.TenantID })
	if len(organizations) > 0 {
		s.seeOther(w, r, tokensPath(organizations[max(chosen, 0)].ID))
		return
	}
	view := tokensView{Title: "API Access", CSRF: s.csrf(s.cookie(r)), Email: visitor.person.email}
	code := http.StatusOK
	if err != nil {
		view.Problem, code = sentence(err), status(err)
	}
	_ = s.render(w, code, "tokens", view)
}

func (s *Server) list(w http.ResponseWriter, r *http.Request, visitor *session) {
	_ = s.show(w, r, visitor, http.StatusOK, nil)
}

// show renders the page of the organization in the URL. It returns an error when the page did not leave.
func (s *Server) show(w http.ResponseWriter, r *http.Request, visitor *session, code int, d *dialog) error {
	organizations, tokens, err := s.look(r.Context(), visitor.person, r.PathValue("organization"))
	if (d == nil || d.Kind != "made") && s.isOver(w, r, err) {
		return nil
	}
	query := r.URL.Query()
	view := tokensView{
		Title: "API Access", CSRF: s.csrf(s.cookie(r)), Email: visitor.person.email,
		Organizations: organizations,
		Path:          s.page(tokensPath(r.PathValue("organization"))),
		Query:         strings.TrimSpace(query.Get("q")), All: query.Has("revoked"),
		Dialog: d,
	}
	for _, o := range organizations {
		if strings.EqualFold(o.ID, r.PathValue("organization")) {
			view.Organization = o
		}
	}
	if err != nil {
		view.Problem = sentence(err)
		if code == http.StatusOK && d == nil {
			code = status(err)
		}
	}
	view.fill(tokens, query.Get("keep"))
	if query.Has("again") {
		view.Notice = "This token was generated already, and its secret is shown only once. Revoke it and generate another if you do not have it."
	}
	if d != nil && d.Kind == "revoke" {
		at := slices.IndexFunc(tokens, func(t client.Token) bool { return t.ClientID == d.Token.ClientID })
		if at >= 0 {
			d.Token = tokens[at]
		}
	}
	return s.render(w, code, "tokens", view)
}

// fill makes rows of tokens. keep is the client ID of one that was revoked a moment ago and stays in its place.
func (v *tokensView) fill(tokens []client.Token, keep string) {
	for _, t := range tokens {
		_, note, _ := strings.Cut(t.Status(), ", ")
		active := t.State == "active"
		kept := !active && t.ClientID == keep
		found := strings.Contains(strings.ToLower(t.Name+" "+t.ClientID), strings.ToLower(v.Query))
		line := row{Token: t, Note: note, Hidden: !found}
		if !active {
			v.Revoked++
		}
		if kept {
			v.Notice = fmt.Sprintf("“%s” is revoked: it has stopped working, for good.", t.Name)
		}
		if active || kept || v.All {
			v.Rows = append(v.Rows, line)
			if found {
				v.Shown++
			}
		}
		v.ReadsCounted = t.UsageAsOf != nil
	}
	slices.SortStableFunc(v.Rows, func(a, b row) int {
		last := func(r row) int {
			if r.State != "active" && r.ClientID != keep {
				return 1
			}
			return 0
		}
		return cmp.Or(last(a)-last(b), b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.ClientID, b.ClientID))
	})
}

// look returns what the page shows. It asks for both lists at the same time, and returns the one that it got.
func (s *Server) look(ctx context.Context, p *person, organization string) (organizations []client.Organization, tokens []client.Token, err error) {
	as, err := s.as(ctx, p)
	if err != nil {
		return nil, nil, err
	}
	var both errgroup.Group
	both.Go(func() (err error) { organizations, err = as.Organizations(ctx); return err })
	both.Go(func() (err error) { tokens, err = as.Tokens(ctx, organization); return err })
	err = both.Wait()
	return organizations, tokens, err
}

func (s *Server) askToGenerate(w http.ResponseWriter, r *http.Request, visitor *session) {
	_ = s.show(w, r, visitor, http.StatusOK, &dialog{Kind: "generate", Role: "member", RequestID: uuid.NewString()})
}

// generate makes a token and shows its secret, in this answer and never again. The request_id is that of the
// form: sent again because the answer got lost, it replaces what it made; sent again after its answer has
// arrived, as a reload does, it does nothing.
func (s *Server) generate(w http.ResponseWriter, r *http.Request, visitor *session) {
	form := &dialog{
		Kind: "generate",
		Name: r.PostForm.Get("name"), Role: r.PostForm.Get("role"), RequestID: r.PostForm.Get("request_id"),
	}
	if !config.IsUUID(form.RequestID) {
		s.say(w, http.StatusBadRequest, "This form is incomplete. Open it again.")
		return
	}
	select {
	case visitor.generating <- struct{}{}:
		defer func() { <-visitor.generating }()
	case <-r.Context().Done():
		return
	}
	if visitor.spent[form.RequestID] {
		s.seeOther(w, r, tokensPath(r.PathValue("organization"))+"?again")
		return
	}
	made, err := s.make(r.Context(), visitor.person, r.PathValue("organization"), form)
	if s.isOver(w, r, err) {
		return
	}
	if err != nil {
		form.Problem = sentence(err)
		_ = s.show(w, r, visitor, status(err), form)
		return
	}
	snippets, err := s.snippets(made)
	if err != nil {
		panic("a token that the client checked does not fit a file")
	}
	// The list is behind the dialog, and the secret must not be lost for it.
	err = s.show(w, r, visitor, http.StatusOK, &dialog{Kind: "made", Made: made, Snippets: snippets})
	if err == nil && r.Context().Err() == nil {
		visitor.spent[form.RequestID] = true
	}
}

func (s *Server) make(ctx context.Context, p *person, organization string, form *dialog) (client.GeneratedToken, error) {
	as, err := s.as(ctx, p)
	if err != nil {
		return client.GeneratedToken{}, err
	}
	return as.GenerateToken(ctx, organization, form.Name, form.Role, form.RequestID)
}

// snippets are the new pair as a file, a shell and a workflow take it. The last one names the secret only.
func (s *Server) snippets(made client.GeneratedToken) ([]snippet, error) {
	values := config.Values{
		URL: s.Config.URL, PublishableKey: s.Config.PublishableKey,
		ClientID: made.ClientID, APIToken: made.APIToken, TenantID: made.OrganizationID,
	}
	file, err := values.TOML()
	if err != nil {
		return nil, err
	}
	var shell, workflow strings.Builder
	for line := range strings.Lines(values.Env()) {
		shell.WriteString("export " + line)
	}
	secret := config.APIToken.Variable()
	values.APIToken = credential.Secret{}
	workflow.WriteString("env:\n")
	for line := range strings.Lines(values.Env()) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		fmt.Fprintf(&workflow, "  %s: %q\n", name, value)
	}
	fmt.Fprintf(&workflow, "  %s: ${{ secrets.%s }}\n", secret, secret)
	return []snippet{
		{"file", config.FileName, "For a project’s folder. It holds the secret: keep it out of Git.", string(file)},
		{"shell", "Shell", "For a terminal, or a CI system’s settings.", shell.String()},
		{"workflow", "GitHub Actions", "Save the API token as the repository secret " + secret + "; the rest goes into the workflow.", workflow.String()},
	}, nil
}

func (s *Server) askToRevoke(w http.ResponseWriter, r *http.Request, visitor *session) {
	_ = s.show(w, r, visitor, http.StatusOK, &dialog{Kind: "revoke", Token: client.Token{ClientID: r.PathValue("token")}})
}

func (s *Server) revoke(w http.ResponseWriter, r *http.Request, visitor *session) {
	id := r.PathValue("token")
	as, err := s.as(r.Context(), visitor.person)
	if err == nil {
		_, err = as.RevokeToken(r.Context(), id)
	}
	if s.isOver(w, r, err) {
		return
	}
	if err != nil {
		_ = s.show(w, r, visitor, status(err), &dialog{Kind: "revoke", Token: client.Token{ClientID: id}, Problem: sentence(err)})
		return
	}
	query := r.URL.Query()
	query.Set("keep", id)
	query.Del("again")
	s.seeOther(w, r, tokensPath(r.PathValue("organization"))+"?"+query.Encode()+"#"+id)
}
