// Package config finds out which project to talk to and with which pair: from flags, the
// environment and a .babelon.toml file, in this order.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/babelon/babelon/cli/internal/credential"
	"github.com/babelon/babelon/cli/internal/fault"
)

// FileName is the file looked for in the working directory and above it.
const FileName = ".babelon.toml"

// FileVariable is the environment variable that names another file.
const FileVariable = "BABELON_CONFIG"

// A Key names a setting as the file does.
type Key string

// The keys.
const (
	SupabaseURL    Key = "supabase_url"
	PublishableKey Key = "publishable_key"
	ClientID       Key = "client_id"
	APIToken       Key = "api_token"
	TenantID       Key = "tenant_id"
)

// keys are in the order in which a file shows them.
func keys() []Key { return []Key{SupabaseURL, PublishableKey, ClientID, APIToken, TenantID} }

// Variable returns the name of the environment variable that does the same as the key.
func (k Key) Variable() string { return "BABELON_" + strings.ToUpper(string(k)) }

// A Source says where to look.
type Source struct {
	File   string              // a file named by flag; empty to search
	URL    string              // supabase_url by flag; empty for none
	Dir    string              // the working directory, where the search begins
	Getenv func(string) string // the environment
}

// A Config is what a command needs to know. Everything in it is well-formed.
type Config struct {
	URL            string           // without a slash at its end
	PublishableKey string           // empty if none
	TenantID       string           // a UUID; empty if none
	Pair           *credential.Pair // nil if none
	PairSource     string           // where the pair came from, for people
	KeySource      string           // where the publishable key came from, for people
	Warnings       []string         // what is risky about the file
}

// Load gathers the settings. Its errors are of kind fault.Usage and name the file, line and key or
// the variable at fault, never a value.
func Load(from Source) (*Config, error) {
	path, err := find(from)
	if err != nil {
		return nil, err
	}
	given := settings{}
	looked := "there is no " + FileName + " in this directory or above it"
	if path != "" {
		if given, err = readFile(path); err != nil {
			return nil, err
		}
		looked = path + " has none"
	}
	for _, key := range keys() {
		if text := from.Getenv(key.Variable()); text != "" {
			given[key] = setting{text: text, source: key.Variable(), where: key.Variable()}
		}
	}
	if from.URL != "" {
		given[SupabaseURL] = setting{text: from.URL, source: "--url", where: "--url"}
	}
	if err := given.check(); err != nil {
		return nil, err
	}

	c := &Config{
		URL:            strings.TrimRight(given[SupabaseURL].text, "/"),
		PublishableKey: given[PublishableKey].text,
		KeySource:      given[PublishableKey].where,
		TenantID:       given[TenantID].text,
	}
	if c.URL == "" {
		return nil, fault.Usagef("Run `babelon init`, or set "+SupabaseURL.Variable()+".", "no supabase_url: %s", looked)
	}
	if id, secret := given[ClientID], given[APIToken]; id.text != "" {
		c.Pair = &credential.Pair{ClientID: id.text, Secret: credential.NewSecret(secret.text)}
		c.PairSource = id.source
	}
	if path != "" {
		c.Warnings = risks(path, given)
	}
	return c, nil
}

// find returns the path of the file to read, or "" if there is none.
func find(from Source) (string, error) {
	if from.File != "" {
		return from.File, nil
	}
	if path := from.Getenv(FileVariable); path != "" {
		return path, nil
	}
	for dir := from.Dir; ; dir = filepath.Dir(dir) {
		path := filepath.Join(dir, FileName)
		if info, err := os.Stat(path); err == nil {
			if uid, known := owner(info); known && isStranger(uid, os.Getuid()) {
				return "", fault.Usagef("Name it with --config if you trust it.", "%s belongs to another user, who could send your token elsewhere", path)
			}
			return path, nil
		} else if _, linked := os.Lstat(path); linked == nil {
			return path, nil // a link to nowhere; reading it says so
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", fault.Usagef("", "%s: %w", path, reason(err))
		}
		if dir == filepath.Dir(dir) {
			return "", nil
		}
	}
}

// isStranger reports whether a file that was found rather than named, such as one in /tmp, is of somebody whom
// the user did not choose to trust. Root reads what it is given, as a container does with a mounted checkout.
func isStranger(owner, user int) bool {
	return owner != user && owner != 0 && user != 0
}

// check validates every setting, and that the pair is whole and from one source.
func (s settings) check() error {
	for _, key := range keys() {
		if s[key].text == "" {
			continue
		}
		if err := check(key, s[key].text); err != nil {
			return fault.Usagef("", "%s %w", s[key].where, err)
		}
	}
	id, secret := s[ClientID], s[APIToken]
	const hint = "A pair is always taken from one place: give both there, or neither."
	switch {
	case id.text != "" && secret.text == "":
		return fault.Usagef(hint, "half a pair: %s is given, but no api_token (%s)", id.where, APIToken.Variable())
	case id.text == "" && secret.text != "":
		return fault.Usagef(hint, "half a pair: %s is given, but no client_id (%s)", secret.where, ClientID.Variable())
	case environment(id) != environment(secret):
		return fault.Usagef(hint, "a pair from two sources: %s and %s", id.where, secret.where)
	}
	return nil
}

func environment(s setting) bool { return strings.HasPrefix(s.source, "BABELON_") }

// risks tells what could let others see the pair in the file.
func risks(path string, given settings) []string {
	if environment(given[APIToken]) || given[APIToken].text == "" {
		return nil
	}
	var warnings []string
	info, err := os.Stat(path)
	if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		warnings = append(warnings, fmt.Sprintf("%s holds a secret and others can read it; run: chmod 600 %s", path, path))
	}
	if tracked(path) {
		warnings = append(warnings, fmt.Sprintf("%s holds a secret and is tracked by git; run: git rm --cached %s, and revoke the token if it was pushed", path, path))
	}
	return warnings
}

// reason strips the path from a file error, which the caller names already.
func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
