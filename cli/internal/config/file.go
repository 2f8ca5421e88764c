package config

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/babelon/babelon/cli/internal/credential"
	"github.com/babelon/babelon/cli/internal/fault"
)

// A setting is a value and where it came from.
type setting struct {
	text   string
	origin origin // decides; the other two are for people
	source string // the file, variable or flag
	where  string // the same with line and key, to begin an error message with
}

// settings are the values that were given. Each may be malformed until it has been checked.
type settings map[Key]setting

// maxFileSize is far more than five settings with comments need.
const maxFileSize = 64 << 10

// readFile reads the settings of a file.
func readFile(path string, file origin) (settings, error) {
	data, err := credential.ReadFile(path, maxFileSize)
	if err != nil {
		return nil, fault.Usagef("", "%s: %w", path, reason(err))
	}
	return parse(path, file, data)
}

// parse reads TOML with the library's parser instead of its decoder. The decoder accepts keys in any case, so that
// one could be given twice unnoticed, and does not tell which line a good key is on.
func parse(path string, file origin, data []byte) (settings, error) {
	for _, mark := range []string{"\xff\xfe", "\xfe\xff"} { // of UTF-16, in either order of bytes
		if bytes.HasPrefix(data, []byte(mark)) {
			return nil, fault.Usagef("In PowerShell, write it with Set-Content -Encoding utf8.", "%s: saved as UTF-16; save it as UTF-8", path)
		}
	}
	data = bytes.TrimPrefix(data, []byte("\uFEFF"))
	if !utf8.Valid(data) {
		return nil, fault.Usagef("", "%s: not UTF-8 text", path)
	}
	given := settings{}
	var p unstable.Parser
	p.Reset(data)
	for p.NextExpression() {
		e := p.Expression()
		name, where := keyOf(&p, path, e)
		switch {
		case !slices.Contains(keys(), name):
			return nil, fault.Usagef("The keys are supabase_url, publishable_key, client_id, api_token and tenant_id, in lower case.", "%s is not a known key", where)
		case e.Kind != unstable.KeyValue || e.Value().Kind != unstable.String:
			return nil, fault.Usagef("", "%s is not a text in quotes", where)
		case given[name].where != "":
			return nil, fault.Usagef("", "%s is given twice", where)
		}
		given[name] = setting{text: string(e.Value().Data), origin: file, source: path, where: where}
	}
	var syntax *unstable.ParserError
	if errors.As(p.Error(), &syntax) {
		// The parser's own message may quote a piece of the secret.
		line := p.Shape(p.Range(syntax.Highlight)).Start.Line
		return nil, fault.Usagef("A line is a key, =, and its value in double quotes.", "%s:%d: not valid TOML", path, line)
	}
	maps.DeleteFunc(given, func(_ Key, s setting) bool { return s.text == "" })
	return given, nil
}

// keyOf returns the key of an expression, which may be a table or dotted, and its file and line.
func keyOf(p *unstable.Parser, path string, e *unstable.Node) (name Key, where string) {
	var parts []string
	line := 0
	for key := e.Key(); key.Next(); {
		if line == 0 {
			line = p.Shape(key.Node().Raw).Start.Line
		}
		parts = append(parts, string(key.Node().Data))
	}
	name = Key(strings.Join(parts, "."))
	return name, fmt.Sprintf("%s:%d: %s", path, line, name)
}
