package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/babelon/babelon/cli/internal/fault"
)

// FileName is the name of a project's configuration file.
const FileName = ".babelon.toml"

// The keys of the file.
const (
	keyURL            = "supabase_url"
	keyPublishableKey = "publishable_key"
	keyClientID       = "client_id"
	keyAPIToken       = "api_token"
	keyTenantID       = "tenant_id"
)

func keys() []string {
	return []string{keyURL, keyPublishableKey, keyClientID, keyAPIToken, keyTenantID}
}

// maxFileSize is far more than a configuration needs, and keeps a wrong path from filling the memory.
const maxFileSize = 64 << 10

// A file is a configuration file that was read. Without one its name stands for where it could be.
type file struct {
	name   string // as in messages
	path   string // "" when there is none
	values map[string]string
	lines  map[string]int
}

func (f *file) value(key string) value {
	from := key + " in " + f.name
	if line, ok := f.lines[key]; ok {
		from = fmt.Sprintf("%s:%d", from, line)
	}
	return value{f.values[key], from}
}

func (s Source) readFile() (*file, error) {
	path, err := s.find()
	if err != nil || path == "" {
		return &file{name: FileName}, err
	}
	f := &file{name: path, path: path}
	if relative, err := filepath.Rel(s.Dir, path); err == nil && filepath.IsLocal(relative) {
		f.name = relative
	}
	content, err := readBounded(path)
	if err != nil {
		return nil, fault.Usagef("", "cannot read %s: %w", f.name, err)
	}
	content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf")) // a byte order mark
	if f.values, err = parse(content); err != nil {
		return nil, fault.Usagef(fmt.Sprintf("The keys are %s.", strings.Join(keys(), ", ")), "%s: %w", f.name, err)
	}
	f.lines = linesOf(content)
	return f, nil
}

// find returns the path of the file to read, or "" when there is none.
func (s Source) find() (string, error) {
	for _, named := range []string{s.File, s.Getenv(EnvFile)} {
		if named != "" {
			return named, nil
		}
	}
	for dir := s.Dir; ; dir = filepath.Dir(dir) {
		path := filepath.Join(dir, FileName)
		if _, err := os.Lstat(path); err == nil {
			return path, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", fault.Usagef("", "cannot look for a %s: %w", FileName, err)
		}
		if dir == filepath.Dir(dir) {
			return "", nil
		}
	}
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, errors.Unwrap(err) // the caller names the path
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	switch {
	case err != nil:
		return nil, errors.Unwrap(err)
	case len(content) > maxFileSize:
		return nil, fmt.Errorf("it is larger than %d KiB", maxFileSize>>10)
	}
	return content, nil
}

// parse returns the file's values. It compares keys itself, because the library matches them whatever
// their case, which would let one hide another. Its errors never quote the content.
func parse(content []byte) (map[string]string, error) {
	var raw map[string]any
	if err := toml.Unmarshal(content, &raw); err != nil {
		var decode *toml.DecodeError
		if !errors.As(err, &decode) {
			return nil, errors.New("it is not TOML")
		}
		line, _ := decode.Position()
		if key := strings.Join(decode.Key(), "."); slices.Contains(keys(), key) {
			return nil, fmt.Errorf("line %d: %s is there twice, or not TOML", line, key)
		}
		return nil, fmt.Errorf("line %d is not TOML, or has a key that is there twice", line)
	}
	values := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(raw)) {
		text, isText := raw[key].(string)
		switch lower := strings.ToLower(key); {
		case !slices.Contains(keys(), lower):
			return nil, fmt.Errorf("unknown key %s", printable(key))
		case key != lower:
			return nil, fmt.Errorf("unknown key %s: keys are lower case", key)
		case !isText:
			return nil, fmt.Errorf("%s must be a string, in quotes", key)
		case text == "":
			return nil, fmt.Errorf("%s is empty", key)
		}
		values[key] = text
	}
	return values, nil
}

// printable keeps a pasted secret, which makes an odd key, out of a message.
func printable(key string) string {
	if len(key) > 40 || strings.Contains(key, "bbl_") {
		return "(not shown)"
	}
	return fmt.Sprintf("%q", key)
}

// linesOf returns on which line each key stands, for messages.
func linesOf(content []byte) map[string]int {
	lines := map[string]int{}
	number := 0
	for line := range bytes.Lines(content) {
		number++
		if key, _, ok := strings.Cut(string(line), "="); ok {
			lines[strings.Trim(key, " \t\"'")] = number
		}
	}
	return lines
}

// warnings returns what is unwise about a file that holds a secret.
func (f *file) warnings() []string {
	if f.path == "" || f.values[keyAPIToken] == "" {
		return nil
	}
	var found []string
	if info, err := os.Stat(f.path); err == nil && info.Mode().Perm()&0o077 != 0 {
		found = append(found, fmt.Sprintf("other users of this machine can read %s; run: chmod 600 %s", f.name, f.name))
	}
	if trackedByGit(f.path) {
		found = append(found, fmt.Sprintf("git tracks %s, and the API token with it; revoke the token, and run: git rm --cached %s", f.name, f.name))
	}
	return found
}

// trackedByGit looks for the path in the index of the surrounding work tree. It looks for the bytes, so that
// neither git nor a parser of its formats is needed; an index that compresses paths (version 4) escapes it.
func trackedByGit(path string) bool {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return false
	}
	for dir := filepath.Dir(absolute); ; dir = filepath.Dir(dir) {
		if index, err := os.ReadFile(filepath.Join(dir, ".git", "index")); err == nil {
			relative, err := filepath.Rel(dir, absolute)
			return err == nil && bytes.Contains(index, append([]byte(filepath.ToSlash(relative)), 0))
		}
		if dir == filepath.Dir(dir) {
			return false
		}
	}
}
