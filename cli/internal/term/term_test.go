package term_test

import (
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
	header, rows := []string{"NAME", "ROLE"}, [][]string{{"ci", "member"}, {"a\tb", "admin"}}
	for isTerminal, want := range map[bool]string{
		true:  "NAME  ROLE\nci    member\na�b   admin\n",
		false: "ci\tmember\na�b\tadmin\n",
	} {
		var out strings.Builder
		io := term.IO{Out: &out, IsTerminal: isTerminal}
		if err := io.Table(header, rows); err != nil || out.String() != want {
			t.Errorf("got %q, %v", out.String(), err)
		}
	}
}
