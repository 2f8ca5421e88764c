package term_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/babelon/babelon/cli/internal/term"
)

func TestWhat_others_wrote_cannot_move_the_cursor_break_a_line_or_turn_the_text(t *testing.T) {
	for text, want := range map[string]string{
		"CI/CD Pipeline": "CI/CD Pipeline",
		"Zoë 🚀 👩\u200d💻": "Zoë 🚀 👩\u200d💻",
		"a\x1b[2Jb":      "a�[2Jb",
		"a\tb\r\nc":      "a�b��c",
		"a\u0085b\u2028": "a�b�",
		"a\u202eb":       "a�b",
		"\u200b\ufeff":   "��",
		"a\xff":          "a�",
	} {
		if got := term.Clean(text); got != want {
			t.Errorf("%q becomes %q", text, got)
		}
	}
}

func TestA_time_is_relative_for_a_person_and_exact_for_a_pipe(t *testing.T) {
	now := time.Date(2026, 11, 24, 18, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		ago          time.Duration
		person, pipe string
	}{
		{-time.Second, "just now", "2026-11-24T18:00:01Z"}, // the server's clock is ahead
		{59 * time.Second, "just now", "2026-11-24T17:59:01Z"},
		{time.Minute, "1 min ago", "2026-11-24T17:59:00Z"},
		{time.Hour, "1 h ago", "2026-11-24T17:00:00Z"},
		{48 * time.Hour, "2 days ago", "2026-11-22T18:00:00Z"},
		{365 * 24 * time.Hour, "2025-11-24", "2025-11-24T18:00:00Z"},
	} {
		then := now.Add(-test.ago)
		io := term.IO{Now: func() time.Time { return now }}
		if got := io.Time(&then); got != test.pipe {
			t.Errorf("%s ago in a pipe: %s", test.ago, got)
		}
		io.IsTerminal = true
		if got := io.Time(&then); got != test.person {
			t.Errorf("%s ago for a person: %s", test.ago, got)
		}
	}
}

func TestA_table_is_aligned_for_a_person_and_tab_separated_for_a_pipe(t *testing.T) {
	r := term.Result{Header: []string{"NAME", "ROLE"}, Rows: [][]string{{"ci", "member"}, {"a\tb", "admin"}}}
	for isTerminal, want := range map[bool]string{
		true:  "NAME  ROLE\nci    member\na�b   admin\n",
		false: "ci\tmember\na�b\tadmin\n",
	} {
		var out strings.Builder
		io := term.IO{Out: &out, IsTerminal: isTerminal}
		if err := io.Write("table", r); err != nil || out.String() != want {
			t.Errorf("got %q, %v", out.String(), err)
		}
	}
}

func TestA_table_is_aligned_by_what_a_terminal_shows(t *testing.T) {
	var out strings.Builder
	io := term.IO{Out: &out, IsTerminal: true}
	rows := [][]string{{"デプロイ", "1"}, {"e\u0301te\u0301", "2"}, {"👩\u200d💻 x", "3"}, {"ci", "4"}}
	if err := io.Write("table", term.Result{Header: []string{"NAME", "N"}, Rows: rows}); err != nil {
		t.Fatal(err)
	}
	const want = "NAME      N\n" +
		"デプロイ  1\n" + // two columns each
		"e\u0301te\u0301       2\n" + // a combining mark takes none
		"👩\u200d💻 x      3\n" +
		"ci        4\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

func TestA_long_name_is_cut_to_the_terminals_width_and_nowhere_else(t *testing.T) {
	name, id := strings.Repeat("デ", 50), "bbl_cid_0123456789abcdef"
	r := term.Result{Header: []string{"NAME", "CLIENT ID"}, Rows: [][]string{{name, id}, {"ci", id}}, Shrink: []string{"NAME"}, Value: []string{name}}
	for _, test := range []struct {
		format     string
		isTerminal bool
		width      int
		want       string
	}{
		{"table", true, 40, "NAME            CLIENT ID\n" + strings.Repeat("デ", 6) + "…   " + id + "\nci              " + id + "\n"},
		{"table", true, 10, "NAME      CLIENT ID\n" + strings.Repeat("デ", 3) + "…   " + id + "\nci        " + id + "\n"}, // a name keeps 8, an ID all
		{"table", true, 0, "NAME" + strings.Repeat(" ", 98) + "CLIENT ID\n" + name + "  " + id + "\nci" + strings.Repeat(" ", 100) + id + "\n"},
		{"table", false, 40, name + "\t" + id + "\nci\t" + id + "\n"},
		{"json", true, 40, "[\n  \"" + name + "\"\n]\n"},
	} {
		var out strings.Builder
		io := term.IO{Out: &out, IsTerminal: test.isTerminal, Width: test.width}
		if err := io.Write(test.format, r); err != nil || out.String() != test.want {
			t.Errorf("%+v: %v\n%s", test, err, out.String())
		}
	}
}

// closing fails only when it is closed, as files on some networks do.
type closing struct{ strings.Builder }

func (*closing) Close() error { return errors.New("no space left") }

func TestA_result_that_is_lost_at_the_close_is_an_error(t *testing.T) {
	io := term.IO{Out: &closing{}}
	if err := io.Write("table", term.Result{Rows: [][]string{{"ci"}}}); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("got %v", err)
	}
}

func TestA_secret_is_not_written_to_the_null_device(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if err := (&term.IO{Out: null}).KeepsSecrets(); err == nil {
		t.Error("it is")
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "pair"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := (&term.IO{Out: file}).KeepsSecrets(); err != nil {
		t.Errorf("a file: %v", err)
	}
}

func TestA_note_is_cut_and_only_a_person_is_told_what_a_wait_is_for(t *testing.T) {
	var note strings.Builder
	(&term.IO{Err: &note}).Notef("acting as %s", strings.Repeat("é", 5000))
	if text := note.String(); len([]rune(text)) != 501 || !strings.HasSuffix(text, "é…\n") {
		t.Errorf("a note of %d characters", len([]rune(text)))
	}
	for watched, want := range map[bool]string{true: "waiting for a\n", false: ""} {
		var err strings.Builder
		io := term.IO{Err: &err, IsWatched: watched}
		io.Waitf("waiting for %s", "a")
		if err.String() != want {
			t.Errorf("got %q", err.String())
		}
	}
}
