package tests

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// patience is how long anything may take before a test gives up on it.
const patience = 20 * time.Second

// A window is one of a browser whose cookies and storage no other has.
type window struct {
	t   *testing.T
	ctx context.Context
}

// A browser is a Chromium that ends with the test.
type browser struct {
	t       *testing.T
	ctx     context.Context
	profile string
	closing sync.Once
}

// newBrowser starts one, or skips the test where there is none.
func newBrowser(t *testing.T) *browser {
	t.Helper()
	path := chromium(t)
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.WindowSize(1440, 900),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("force-device-scale-factor", "1"))
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	profile := t.TempDir()
	options = append(options, chromedp.UserDataDir(profile))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	b := &browser{t: t, ctx: ctx, profile: profile}
	t.Cleanup(func() { b.close(); cancel(); stop() })
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("starting %s: %v", path, err)
	}
	return b
}

// chromium finds a browser. A machine may have none, but not one whose job is to run every test.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	need(t, "chromium", "chromium")
	return ""
}

// close ends the browser as its user would, so that it writes to its profile what it means to keep.
func (b *browser) close() {
	b.closing.Do(func() { _ = chromedp.Cancel(b.ctx) })
}

// first returns the window that the browser opened with, the one that writes to its profile.
func (b *browser) first() *window { return &window{b.t, b.ctx} }

// window opens one that shares nothing with the others.
func (b *browser) window() *window {
	b.t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	b.t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		b.t.Fatal(err)
	}
	return &window{b.t, ctx}
}

// another opens one of the same person: it has the same cookies.
func (w *window) another() *window {
	w.t.Helper()
	ctx, cancel := chromedp.NewContext(w.ctx)
	w.t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		w.t.Fatal(err)
	}
	return &window{w.t, ctx}
}

// do does what must succeed.
func (w *window) do(actions ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		w.t.Fatalf("%v\n%s", err, w.describe())
	}
}

func (w *window) open(address string) { w.t.Helper(); w.do(chromedp.Navigate(address)) }
func (w *window) reload()             { w.t.Helper(); w.do(chromedp.Reload()) }

// click clicks where the element is, so that it must be visible and not under something else.
func (w *window) click(selector string) {
	w.t.Helper()
	w.do(chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// enter types into a field in place of what is in it.
func (w *window) enter(selector, text string) {
	w.t.Helper()
	look[bool](w, "document.querySelector("+quote(selector)+").select() || true")
	command(w, input.InsertText, input.InsertTextParams{Text: text})
}

// press presses keys wherever the focus is.
func (w *window) press(keys ...string) {
	w.t.Helper()
	for _, key := range keys {
		w.do(chromedp.KeyEvent(key))
	}
}

func (w *window) size(width, height int64) {
	w.t.Helper()
	w.do(chromedp.EmulateViewport(width, height))
}

// scheme switches prefers-color-scheme, and what else is given as names and values.
func (w *window) scheme(scheme string, more ...string) {
	w.t.Helper()
	features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}
	for ; len(more) > 1; more = more[2:] {
		features = append(features, &emulation.MediaFeature{Name: more[0], Value: more[1]})
	}
	command(w, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features})
}

// permit answers for the user when the page asks for a permission.
func (w *window) permit(permission string, setting cdpbrowser.PermissionSetting) {
	w.t.Helper()
	here := command(w, target.GetTargetInfo, target.GetTargetInfoParams{}).TargetInfo
	command(w, cdpbrowser.SetPermission, cdpbrowser.SetPermissionParams{
		Permission: &cdpbrowser.PermissionDescriptor{Name: permission}, Setting: setting, BrowserContextID: here.BrowserContextID,
	})
}

// edit presses the keys of copy or paste.
func (w *window) edit(what string) {
	w.t.Helper()
	command(w, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeRawKeyDown, Commands: []string{what}})
}

// board opens a page that what is on the clipboard can be pasted into, and returns what does so. Ours may not read it.
func (w *window) board() (pasted func() string) {
	w.t.Helper()
	other := w.another()
	other.open("data:text/html,<textarea>")
	for _, each := range []*window{w, other} { // no page may use the clipboard while another window has the focus
		command(each, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	}
	return func() string {
		w.t.Helper()
		look[bool](other, "document.querySelector('textarea').select() || document.querySelector('textarea').focus() || true")
		other.edit("paste")
		return look[string](other, "document.querySelector('textarea').value")
	}
}

// tabTo presses Tab until an element has the focus.
func (w *window) tabTo(selector string) {
	w.t.Helper()
	for range 40 {
		if look[bool](w, "document.activeElement.matches("+quote(selector)+")") {
			return
		}
		w.press(kb.Tab)
	}
	w.t.Fatalf("Tab never gets to %s", selector)
}

// command sends a command of the browser's protocol.
func command[P, R any](w *window, cmd cdp.Command[P, R], params P) R {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	result, err := chromedp.Call(ctx, cmd, params)
	if err != nil {
		w.t.Fatal(err)
	}
	return result
}

// look evaluates an expression in the page.
func look[T any](w *window, expression string) T {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		w.t.Fatalf("%s: %v\n%s", expression, err, w.describe())
	}
	return value
}

// until waits for an expression to become true, across navigations.
func (w *window) until(expression string) {
	w.t.Helper()
	deadline := time.After(patience)
	for tick := time.NewTicker(25 * time.Millisecond); ; {
		ctx, cancel := context.WithTimeout(w.ctx, patience)
		is, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		cancel()
		if is {
			return
		}
		select {
		case <-deadline:
			w.t.Fatalf("never true: %s (%v)\n%s", expression, err, w.describe())
		case <-tick.C:
		}
	}
}

// shows waits for text to be on the page.
func (w *window) shows(text string) {
	w.t.Helper()
	w.until("document.body?.innerText.toLowerCase().includes(" + quote(strings.ToLower(text)) + ")")
}

// describe returns where the window is and what it shows, for a failure. No secret is in a failure.
func (w *window) describe() string {
	ctx, cancel := context.WithTimeout(w.ctx, time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText`))
	if err != nil {
		return err.Error()
	}
	return text
}

// quote returns text as a literal of JavaScript.
func quote(text string) string {
	literal, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(literal)
}

// A settingsServer is a running `babelon settings`.
type settingsServer struct {
	address string // as printed
	origin  string
	root    string        // what the address of every page begins with
	output  func() string // all of it so far
	end     func() error  // as Ctrl-C does, and waits
}

// serveSettings starts it with a home folder and more arguments.
func serveSettings(t *testing.T, home string, arguments ...string) *settingsServer {
	t.Helper()
	return serveSettingsOf(t, project.URL, home, arguments...)
}

func serveSettingsOf(t *testing.T, projectURL, home string, arguments ...string) *settingsServer {
	t.Helper()
	cmd := exec.Command(binary, append([]string{"settings", "--no-browser"}, arguments...)...)
	cmd.Dir = home
	cmd.Env = environment(home, projectURL)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var output bytes.Buffer
	keep := func(line []byte) {
		mu.Lock()
		defer mu.Unlock()
		output.Write(line)
	}
	cmd.Stderr = writer(keep)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(stdout)
	first, err := lines.ReadString('\n')
	keep([]byte(first))
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		rest, _ := io.ReadAll(lines)
		keep(rest)
	}()
	var once sync.Once
	var ended error
	s := &settingsServer{
		address: strings.TrimSpace(first),
		output:  func() string { mu.Lock(); defer mu.Unlock(); return output.String() },
		end: func() error {
			once.Do(func() {
				_ = cmd.Process.Signal(os.Interrupt)
				<-drained
				ended = cmd.Wait()
			})
			return ended
		},
	}
	t.Cleanup(func() { _ = s.end() })
	u, parseErr := url.Parse(s.address)
	if err != nil || parseErr != nil || u.Host == "" {
		_ = cmd.Process.Signal(syscall.SIGKILL)
		t.Fatalf("babelon settings printed %q (%v)\n%s", first, err, s.output())
	}
	s.origin = u.Scheme + "://" + u.Host
	s.root, _, _ = strings.Cut(s.address, "/open?")
	return s
}

type writer func([]byte)

func (w writer) Write(text []byte) (int, error) { w(text); return len(text), nil }

func environment(home, projectURL string) []string {
	return []string{
		"PATH=" + filepath.Dir(binary) + string(os.PathListSeparator) + os.Getenv("PATH"), "HOME=" + home,
		"BABELON_SUPABASE_URL=" + projectURL, "BABELON_PUBLISHABLE_KEY=" + project.PublishableKey,
	}
}

// logIn signs somebody in on the command line of a home folder.
func logIn(t *testing.T, home, who string) {
	t.Helper()
	cmd := exec.Command(binary, "login", people[who].Email, "--password-stdin")
	cmd.Dir = home
	cmd.Env = environment(home, project.URL)
	cmd.Stdin = strings.NewReader(password + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// signIn signs somebody in to the page of an organization, with their password.
func (w *window) signIn(s *settingsServer, who, organization string) {
	w.t.Helper()
	w.enterPassword(s, who, organization)
	w.until("location.pathname.endsWith('/api-access') && document.readyState == 'complete'")
}

func (w *window) enterPassword(s *settingsServer, who, organization string) {
	w.t.Helper()
	w.open(s.root + "/sign-in?organization=" + organization)
	w.enter("#email", people[who].Email)
	w.enter("#password", password)
	w.click("#sign-in form:last-of-type button")
}
