package client_test

import (
	"testing"
	"time"

	"github.com/babelon/babelon/cli/internal/client"
)

func TestA_list_says_what_it_does_not_know_of_the_tokens_use(t *testing.T) {
	now := time.Date(2026, 11, 24, 18, 12, 14, 0, time.UTC)
	fresh, old := now.Add(-time.Second), now.Add(-time.Hour)
	for want, tokens := range map[string][]client.Token{
		"": {{UsageAsOf: &fresh}, {UsageAsOf: &fresh}},
		"Requests that only read are not counted in this project.": {{}},
		"Uses since 2026-11-24 17:12:14 UTC are not counted yet.":  {{UsageAsOf: &old, MissingBefore: &old}},
		"Uses before 2026-11-24 17:12:14 UTC may be missing.":      {{UsageAsOf: &fresh}, {UsageAsOf: &fresh, MissingBefore: &old}},
	} {
		if got := client.UsageNote(tokens, now); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := client.UsageNote(nil, now); got != "" {
		t.Errorf("an empty list says %q", got)
	}
}
