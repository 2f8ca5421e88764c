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

// tokensView is the page of an organization, with or without a dialog on it.
type tokensView struct {
	Title, CSRF, Email string
	Version            string // of what the page shows
	Organizations      []client.Organization
	Organization       client.Organization
	CanCreate          bool // organizations can be created in this project
	Path               string

	Notice       string // what has just happened
	Problem      string // why there is no list
	selection           // from the address
	Rows         []row  // those of this page
	First        int    // how many are on the pages before
	Total, Pages int
	Revoked      int    // how many revoked tokens the page offers to show or to hide
	CanSearch    bool   // there is enough to search
	UsageNote    string // what the list does not know of the tokens' use
	Dialog       *dialog

	all []row
}

// CanChange reports whether the page has buttons that change something. The project checks every change itself.
func (v tokensView) CanChange() bool {
	role := cmp.Or(v.Organization.Role, new(string))
	return *role == "admin" || *role == "owner"
}

// A dialog lies over the page.
type dialog struct {
	Kind    string // generate, made or revoke
	Problem string

	Name, Role, RequestID string // what was typed
	Token                 row    // the one to revoke
	Made                  client.GeneratedToken
	Snippets              []snippet
}

// A snippet is the new pair, ready to paste.
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
	if err == nil {
		var me client.Identity
		me, err = as.Whoami(r.Context())
		view.CanCreate = me.KeepsOrganizations
	}
	code := http.StatusOK
	if err != nil {
		view.Problem, code = sentence(err), status(err)
	}
	_ = s.render(w, code, "tokens", view)
}

func (s *Server) list(w http.ResponseWriter, r *http.Request, visitor *session) {
	_ = s.show(w, r, visitor, http.StatusOK, nil)
}

// show renders the page of the organization in the URL. It returns an error if the page did not leave this process.
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
		selection:     selected(query),
		Dialog:        d,
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
	view.UsageNote = client.UsageNote(tokens, s.Now())
	view.fill(tokens, query.Get("keep"))
	if kept, found := view.row(query.Get("keep")); found && kept.Kept {
		view.Notice = fmt.Sprintf("“%s” is revoked: it has stopped working, for good.", kept.Label())
	}
	if made, found := view.row(query.Get("made")); found {
		view.Notice = fmt.Sprintf("“%s” was generated already. Its secret was shown once and is gone: "+
			"if you did not store it, revoke this token and generate another.", made.Label())
	}
	if d != nil && d.Kind == "revoke" {
		d.Token, _ = view.row(d.Token.ClientID)
	}
	view.Version = view.version()
	if d == nil && code == http.StatusOK {
		tag := `"` + view.Version + `"`
		w.Header().Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return nil
		}
	}
	return s.render(w, code, "tokens", view)
}

// look asks for both lists of the page at the same time. If it fails, it still returns the list that it got.
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

// generate makes a token and shows its secret, in this answer and never again. The form's request_id is an idempotency
// key: if the answer was lost and the form is sent again, the new pair replaces the lost one. If the answer did arrive
// and the form is sent again, as a reload does, nothing is generated.
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
	if made, spent := visitor.spent[form.RequestID]; spent {
		s.backToList(w, r, "made", made)
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
	// The secret is shown even if the list behind the dialog is missing.
	err = s.show(w, r, visitor, http.StatusOK, &dialog{Kind: "made", Made: made, Snippets: snippets})
	if err == nil && r.Context().Err() == nil {
		visitor.spent[form.RequestID] = made.ClientID
	}
}

func (s *Server) make(ctx context.Context, p *person, organization string, form *dialog) (client.GeneratedToken, error) {
	as, err := s.as(ctx, p)
	if err != nil {
		return client.GeneratedToken{}, err
	}
	return as.GenerateToken(ctx, organization, form.Name, form.Role, form.RequestID)
}

// snippets returns the new pair for a file, a shell and a workflow. The workflow has only the name of the secret.
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
	_ = s.show(w, r, visitor, http.StatusOK, revokeDialog(r.PathValue("token"), ""))
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
		_ = s.show(w, r, visitor, status(err), revokeDialog(id, sentence(err)))
		return
	}
	s.backToList(w, r, "keep", id)
}

func revokeDialog(clientID, problem string) *dialog {
	return &dialog{Kind: "revoke", Token: row{Token: client.Token{ClientID: clientID}}, Problem: problem}
}

// backToList redirects to the list, where the notice is about a token.
func (s *Server) backToList(w http.ResponseWriter, r *http.Request, what, clientID string) {
	query := selected(r.URL.Query()).values()
	query.Set(what, clientID)
	s.seeOther(w, r, tokensPath(r.PathValue("organization"))+"?"+query.Encode()+"#"+clientID)
}
