package tests

import (
	"slices"
	"strings"
	"testing"
	"unicode"
)

func TestNames_are_1_to_100_visible_characters(t *testing.T) {
	organization := newOrganization(t)
	secret := "bbl_tok_0123456789abcdef0123456789abcdef"
	for _, good := range []string{
		strings.Repeat("x", 100), strings.Repeat("🚀", 100), "CI/CD Pipeline", "'; drop table x; --", "C++", "$$$", "C#", "½", "±",
		"日本語", "〇", "नमस्ते", "שָׁלוֹם", "می\u200cخواهم",
		"👩‍👩‍👧", "❤️", "🏳️‍🌈", "1️⃣", // with joiners, variation selectors, and an enclosing keycap
		"🥰", "\U0001FAE9", "\U0001FAEA", // of Unicode 11, 16 and 17, which a server's ICU may not know
		"bbl_tok_", "bbl_cid_0123456789abcdef", secret[:39],
	} {
		person("owner").rpc(t, "generate_api_token", args{"name": good, "organization_id": organization}).want(t, 200, "")
		person("outsider").rpc(t, "create_organization", args{"name": good}).want(t, 200, "")
		person("owner").rpc(t, "rename_organization", args{"name": good, "organization_id": organization}).want(t, 200, "")
	}

	fullwidth := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r - '0' + '０'
		}
		return r
	}, secret)
	for _, bad := range []any{
		nil, "", " ", strings.Repeat("x", 101), strings.Repeat("x", 100_000),
		"\u00a0\u3000", "\u200b", "\u200c\u200d", "\u00ad", "\u034f", "\u0301", "\u20e3", "\ufe0f", "\U000e0100", "\U000e0041", "\u2800",
		"\u115f", "\u1160", "\u3164", "\uffa0", "\u2060", "\u2064", "\ufeff", "\u180e", "\U0001d173", "\ue000", "\ufffc",
		" \u3164\u200d\u0301\ufe0f\u2800 ", // all of them together
		"a\nb", "a\tb", "a\x7fb", "a\u0085b", "a\u202eb", "a\u2066b", "a\u2028b", "a\u200bb", "a\U000e0041b", "a\u00adb", "a\ufff0b", "a\U000e0fffb",
		secret, "my " + secret + "!", strings.ToUpper(secret), fullwidth, secret[:20] + " " + secret[20:], secret[:20] + "\u200c" + secret[20:],
		strings.Join(strings.Split(secret, ""), " "), strings.Join(strings.Split(secret, ""), "\u0301"), secret[:8] + "-" + secret[8:],
	} {
		person("owner").rpc(t, "generate_api_token", args{"name": bad, "organization_id": organization}).want(t, 400, "BBL_INVALID_INPUT")
		person("outsider").rpc(t, "create_organization", args{"name": bad}).want(t, 400, "BBL_INVALID_INPUT")
		person("owner").rpc(t, "rename_organization", args{"name": bad, "organization_id": organization}).want(t, 400, "BBL_INVALID_INPUT")
	}
}

// Every character as a name of its own, beside Go's tables of Unicode.
func TestNames_have_something_to_see_by_Unicodes_categories(t *testing.T) {
	invisible := []*unicode.RangeTable{
		unicode.M, unicode.Z, unicode.Cc, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector,
		{R16: []unicode.Range16{{Lo: 0x2800, Hi: 0x2800, Stride: 1}, {Lo: 0xe000, Hi: 0xf8ff, Stride: 1}}}, // braille's blank, private use
	}
	visible := []*unicode.RangeTable{unicode.L, unicode.Nd, unicode.P}
	// What has become something else since the oldest ICU that a server here has.
	changed := []rune{0x1cf2, 0x1cf3, 0x111c9}

	var characters []rune
	for r := rune(1); r <= unicode.MaxRune; r++ {
		if unicode.In(r, append(invisible, unicode.P, unicode.N, unicode.S)...) || unicode.Is(unicode.L, r) && (r < 0x3400 || r%16 == 0) {
			characters = append(characters, r)
		}
	}
	rows, err := connect(t, project.DatabaseURL).Query(t.Context(), `
		select c, babelon_private.is_name(chr(c)), chr(c) collate "und-x-icu" ~ '[[:graph:]]' as known
		  from unnest($1::int[]) as c`, characters)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	seen := map[bool]int{}
	for rows.Next() {
		var r rune
		var isName, known bool
		if err := rows.Scan(&r, &isName, &known); err != nil {
			t.Fatal(err)
		}
		seen[isName]++
		switch {
		case slices.Contains(changed, r):
		case unicode.In(r, invisible...) && isName:
			t.Errorf("%U has nothing to see, and is a name", r)
		case !unicode.In(r, invisible...) && unicode.In(r, visible...) && known && !isName:
			t.Errorf("%U %c is no name", r, r)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if seen[true] < 10_000 || seen[false] < 5_000 {
		t.Errorf("only %d characters are names, and only %d are not", seen[true], seen[false])
	}
}
