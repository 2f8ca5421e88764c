package tests

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/babelon/babelon/tests/stack"
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

func (w *window) scripts(on bool) {
	w.t.Helper()
	command(w, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
}

// accessible fails the test for what axe finds in the page.
func (w *window) accessible(state string) {
	w.t.Helper()
	if !look[bool](w, "window.axe !== undefined") {
		axe, err := os.ReadFile(filepath.Join(stack.Root(), "tests", "stack", "node_modules", "axe-core", "axe.min.js"))
		if err != nil {
			w.t.Fatal(err)
		}
		look[bool](w, "(() => {"+string(axe)+"; return true })()")
	}
	found := look[string](w, `axe.run({resultTypes: ["violations"]}).then(r =>
		r.violations.map(v => v.id + ": " + v.help + "\n" + v.nodes.map(n => "  " + n.html + "\n  " + n.failureSummary).join("\n")).join("\n"))`)
	if found != "" {
		w.t.Errorf("%s:\n%s", state, secretPattern.ReplaceAllString(found, "SECRET"))
	}
}
