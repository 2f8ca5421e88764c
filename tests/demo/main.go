// Command demo walks through the main job on a throwaway Supabase stack. It prints every step as the command that a user
// would type, with its real output, and checks it. It exits 1 when a step was not as expected.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/creack/pty"
	"github.com/jackc/pgx/v5"
	"github.com/pelletier/go-toml/v2"

	"github.com/babelon/babelon/tests/stack"
)

func main() {
	ctx, stop := stack.UntilStopped()
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	began := time.Now()
	dir, err := os.MkdirTemp("", "babelon-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	note("Starting PostgreSQL, PostgREST, Auth and a gateway; building babelon.")
	binary := filepath.Join(dir, "bin", "babelon")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "github.com/babelon/babelon/cli/babelon").CombinedOutput(); err != nil {
		return fmt.Errorf("building babelon: %w\n%s", err, out)
	}
	project, err := stack.Start(ctx)
	if err != nil {
		return err
	}
	defer project.Stop()

	d := demo{ctx: ctx, project: project, dir: dir, path: filepath.Dir(binary)}
	if err := d.prepare(); err != nil {
		return fmt.Errorf("preparing: %w", err)
	}
	d.play()
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	if len(d.failures) > 0 {
		return fmt.Errorf("%d of %d steps were not as expected:\n  %s", len(d.failures), d.steps, strings.Join(d.failures, "\n  "))
	}
	note("%d steps, all as expected, in %.1f s. Nothing is left running.", d.steps, time.Since(began).Seconds())
	return nil
}

type demo struct {
	ctx     context.Context
	project *stack.Stack
	dir     string // holds each actor's home, which is also their working directory
	path    string // where babelon is

	clientID string // of the token, once there is one
	steps    int
	failures []string
}

// prepare does the operator's and the product's part: it makes the example table, signs people up, and adds another
// organization whose rows must stay hidden.
func (d *demo) prepare() error {
	if err := d.project.ApplySQL(d.ctx, "supabase/seed.sql"); err != nil {
		return err
	}
	for _, name := range []string{"owner", "member", "viewer"} {
		if _, err := d.project.SignUp(d.ctx, name+"@example.com", password); err != nil {
			return err
		}
	}
	db, err := pgx.Connect(d.ctx, d.project.DatabaseURL)
	if err != nil {
		return err
	}
	defer db.Close(d.ctx)
	_, err = db.Exec(d.ctx, `
		with other as (insert into babelon_private.own_organizations (name) values ('Other Inc.') returning id)
		insert into public.deployments (tenant_id, service) select id, 'secret-of-others' from other`)
	return err
}

const password = "correct horse battery staple"

func (d *demo) play() {
	note("supabase/seed.sql is applied: a table `deployments` with one policy a verb and one grant to babelon_token.")
	note("owner@, member@ and viewer@example.com have signed up with Supabase Auth. Another organization has rows too.")

	d.step("owner", "The owner signs in", `echo "$PASSWORD" | babelon login owner@example.com --password-stdin`, exits(0))
	d.step("owner", "and creates an organization", `babelon organization create Acme`, exits(0), says("Acme"))
	d.step("owner", "with a member and a viewer",
		`babelon member set member@example.com member && babelon member set viewer@example.com viewer && babelon member list`,
		exits(0), says("member@example.com"), says("viewer@example.com"))
	d.step("owner", "and generates a token, as a whole .babelon.toml",
		`umask 077; babelon token generate "CI/CD Pipeline" --output toml | tee developer.toml`,
		exits(0), says("bbl_cid_"), says("bbl_tok_"))

	d.check("handing the pair over", d.handOver())
	d.step("developer", "A developer with that file is the token", `babelon whoami`, exits(0), says("CI/CD Pipeline"), says("Acme"))

	d.step("ci", "A CI job has the pair in its environment and the address in a file without secrets, which it names",
		`cat .babelon.toml; . ./secrets.sh; babelon whoami --config .babelon.toml`, exits(0), says("CI/CD Pipeline"))
	d.step("ci", "and uses the operator's own table with two headers",
		`curl -sS -H @headers.txt -H 'Content-Type: application/json' -d '{"service": "website"}' "$SUPABASE_URL/rest/v1/deployments" -w '%{http_code}\n'`,
		exits(0), says("201"))
	d.step("ci", "It sees only its own organization's rows",
		`curl -sS -H @headers.txt "$SUPABASE_URL/rest/v1/deployments?select=service"`,
		exits(0), says(`[{"service":"website"}]`))

	for _, who := range []string{"member", "viewer"} {
		d.step(who, "A "+who+" signs in and sees the tokens, and that they are used",
			`echo "$PASSWORD" | babelon login `+who+`@example.com --password-stdin && babelon token list`,
			exits(0), says("CI/CD Pipeline"), saysNot("never"))
		d.step(who, "but may not generate one", `babelon token generate mine`, exits(1), says("BBL_FORBIDDEN"), saysNot("bbl_tok_"))
		d.step(who, "nor revoke one", `babelon token revoke "$CLIENT_ID" --yes`, exits(1), says("BBL_FORBIDDEN"))
	}

	d.step("owner", "last_used_at moves with every use",
		`babelon token list --output json > before; (cd ../developer && babelon whoami); babelon token list --output json > after; grep -o '"last_used_at": *"[^"]*"' before after; ! cmp -s before after`,
		exits(0), says("before:"), says("after:"))

	d.step("owner", "The owner revokes the token", `babelon token revoke "$CLIENT_ID" --yes`, exits(0))
	d.step("developer", "The very next call is refused", `babelon whoami`, exits(4), says("BBL_TOKEN_REVOKED"))
	d.step("ci", "by every way in", `curl -sS -H @headers.txt "$SUPABASE_URL/rest/v1/deployments"`, exits(0), says("BBL_TOKEN_REVOKED"))
	d.step("owner", "A replacement has the same name",
		`babelon token generate "CI/CD Pipeline" --output toml > ../developer/.babelon.toml && babelon token list --all`,
		exits(0), says("revoked"), says("active"))
	d.step("developer", "and works", `babelon whoami`, exits(0), says("CI/CD Pipeline"))
}

// handOver gives the owner's pair to the developer as a file, and to CI as variables, a file without
// secrets, and a header file for curl.
func (d *demo) handOver() error {
	file, err := os.ReadFile(filepath.Join(d.dir, "owner", "developer.toml"))
	if err != nil {
		return err
	}
	var pair struct {
		ClientID string `toml:"client_id"`
		APIToken string `toml:"api_token"`
	}
	if err := toml.Unmarshal(file, &pair); err != nil {
		return err
	}
	d.clientID = pair.ClientID
	for name, content := range map[string]string{
		"developer/.babelon.toml": string(file),
		"ci/.babelon.toml":        fmt.Sprintf("supabase_url = %q\npublishable_key = %q\n", d.project.URL, d.project.PublishableKey),
		"ci/secrets.sh":           fmt.Sprintf("export BABELON_CLIENT_ID=%s BABELON_API_TOKEN=%s\n", pair.ClientID, pair.APIToken),
		"ci/headers.txt":          fmt.Sprintf("apikey: %s\nX-Client-Id: %s\nX-Api-Token: %s\n", d.project.PublishableKey, pair.ClientID, pair.APIToken),
	} {
		path := filepath.Join(d.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// A check gets a step's output and exit code. It returns what was not as expected, or "".
type check func(output string, code int) string

func exits(want int) check {
	return func(_ string, code int) string {
		if code != want {
			return fmt.Sprintf("exit code %d, not %d", code, want)
		}
		return ""
	}
}

func says(text string) check {
	return func(output string, _ int) string {
		if !strings.Contains(output, text) {
			return fmt.Sprintf("the output lacks %q", text)
		}
		return ""
	}
}

func saysNot(text string) check {
	return func(output string, _ int) string {
		if strings.Contains(output, text) {
			return fmt.Sprintf("the output has %q", text)
		}
		return ""
	}
}

// step prints the command, runs it with sh as the actor, prints its output, and checks it.
func (d *demo) step(actor, title, command string, checks ...check) {
	if d.ctx.Err() != nil {
		return
	}
	d.steps++
	fmt.Printf("\n%2d. %s\n    %s$ %s\n", d.steps, title, actor, command)

	home := filepath.Join(d.dir, actor)
	if err := os.MkdirAll(home, 0o700); err != nil {
		d.check(title, err)
		return
	}
	shell := exec.CommandContext(d.ctx, "sh", "-c", "umask 077; "+command)
	shell.Dir = home
	shell.Env = []string{
		"PATH=" + d.path + string(os.PathListSeparator) + os.Getenv("PATH"),
		"HOME=" + home,
		"PASSWORD=" + password,
		"CLIENT_ID=" + d.clientID,
		"SUPABASE_URL=" + d.project.URL,
	}
	if actor != "developer" && actor != "ci" { // those two have them in their file
		shell.Env = append(shell.Env, "BABELON_SUPABASE_URL="+d.project.URL, "BABELON_PUBLISHABLE_KEY="+d.project.PublishableKey)
	}
	// On a terminal, as a user sees it.
	terminal, err := pty.StartWithSize(shell, &pty.Winsize{Rows: 24, Cols: 160})
	if err != nil {
		d.check(title, err)
		return
	}
	var typed bytes.Buffer
	_, _ = io.Copy(&typed, terminal) // ends with an error when the last process closes the terminal
	_ = terminal.Close()
	_ = shell.Wait() // the exit code tells
	code := shell.ProcessState.ExitCode()
	output := strings.ReplaceAll(typed.String(), "\r\n", "\n")
	for line := range strings.Lines(strings.TrimRight(output, "\n")) {
		fmt.Print("    ", line)
	}
	fmt.Println()
	for _, check := range checks {
		if problem := check(output, code); problem != "" {
			d.check(title, errors.New(problem))
		}
	}
}

func (d *demo) check(title string, err error) {
	if err == nil {
		return
	}
	fmt.Println("    NOT AS EXPECTED:", err)
	d.failures = append(d.failures, fmt.Sprintf("step %d, %s: %v", d.steps, title, err))
}

func note(format string, arguments ...any) {
	fmt.Printf("\n— "+format+"\n", arguments...)
}
