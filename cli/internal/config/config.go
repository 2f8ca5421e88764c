// Package config finds out which project to talk to, and with which pair. Flags win over the environment, and
// that wins over a .babelon.toml file.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/babelon/babelon/cli/internal/credential"
	"github.com/babelon/babelon/cli/internal/fault"
	"github.com/babelon/babelon/cli/internal/git"
)

// FileName is the name of the file that is looked for in the working directory and above it.
const FileName = ".babelon.toml"

// FileVariable is the environment variable that names another file.
const FileVariable = "BABELON_CONFIG"

// AllowHTTPVariable is the environment variable that does the same as the flag --insecure-http, when it is 1.
const AllowHTTPVariable = "BABELON_ALLOW_HTTP"

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

// keys returns the keys in the order in which a file shows them.
func keys() []Key { return []Key{SupabaseURL, PublishableKey, ClientID, APIToken, TenantID} }

// Variable returns the name of the environment variable with the same meaning.
func (k Key) Variable() string { return "BABELON_" + strings.ToUpper(string(k)) }

// A Source says where to look.
type Source struct {
	File   string              // a file named by flag; empty to search
	URL    string              // supabase_url by flag; empty for none
	Dir    string              // the working directory, where the search begins
	Getenv func(string) string // the environment

	InsecureHTTP bool // by flag: http:// to another host is allowed
}

// Env returns an environment variable without the line break at its end, which secrets that were made from a file have.
func (from Source) Env(name string) string { return strings.TrimRight(from.Getenv(name), "\r\n") }

// Check is like the function Check, but returns nil for http:// to another host if that is allowed.
func (from Source) Check(key Key, text string) error {
	err := Check(key, text)
	if errors.Is(err, ErrInsecureHTTP) && (from.InsecureHTTP || from.Env(AllowHTTPVariable) == "1") {
		return nil
	}
	return err
}

// WarningOf returns what is risky about a URL, or "".
func WarningOf(url string) string {
	if !errors.Is(Check(SupabaseURL, url), ErrInsecureHTTP) {
		return ""
	}
	return url + " is not encrypted: the network in between can read every secret that is sent there"
}

// A Config holds the settings that a command needs. All of them are well-formed.
type Config struct {
	URL            string           // without a slash at its end
	PublishableKey string           // empty if none
	TenantID       string           // a UUID; empty if none
	Pair           *credential.Pair // nil if none
	PairSource     string           // where the pair came from, for people
	KeySource      string           // where the publishable key came from, for people
	Warnings       []string         // what is risky about the file and the URL
}

// An origin is the kind of place that a value comes from.
type origin int

const (
	flag origin = iota + 1
	environment
	namedFile // by --config or BABELON_CONFIG
	foundFile // in the working directory or above it; a stranger may have written it
)

// Load gathers the settings. Its errors are of kind fault.Usage. They name the variable, or the file, line and
// key at fault, and never quote a value.
func Load(from Source) (*Config, error) {
	path, file, err := find(from)
	if err != nil {
		return nil, err
	}
	given := settings{}
	looked := "there is no " + FileName + " in this directory or above it"
	if path != "" {
		if given, err = readFile(path, file); err != nil {
			return nil, err
		}
		looked = path + " has none"
	}
	for _, key := range keys() {
		if text := from.Env(key.Variable()); text != "" {
			given[key] = setting{text: text, origin: environment, source: key.Variable(), where: key.Variable()}
		}
	}
	if from.URL != "" {
		given[SupabaseURL] = setting{text: from.URL, origin: flag, source: "--url", where: "--url"}
	}
	if err := given.check(from.Check); err != nil {
		return nil, err
	}

	c := &Config{
		URL:            normal(given[SupabaseURL].text),
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
	if warning := WarningOf(c.URL); warning != "" {
		c.Warnings = append(c.Warnings, warning)
	}
	return c, nil
}

// normal returns a URL without a slash at its end and with its host in lower case: net/http knows localhost, which it
// calls without the proxy, by that spelling alone.
func normal(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return text // empty, or refused already
	}
	u.Host = strings.ToLower(u.Host)
	return strings.TrimRight(u.String(), "/")
}

// find returns the path of the file to read, or "" if there is none, and whether it was named or found.
func find(from Source) (string, origin, error) {
	if path := cmp.Or(from.File, from.Env(FileVariable)); path != "" {
		return path, namedFile, nil
	}
	for dir := from.Dir; ; dir = filepath.Dir(dir) {
		path := filepath.Join(dir, FileName)
		if info, err := os.Stat(path); err == nil {
			if uid, known := owner(info); known && isStranger(uid, os.Getuid()) {
				return "", 0, fault.Usagef("Name it with --config if you trust it.", "%s belongs to another user, who could send your token elsewhere", path)
			}
			return path, foundFile, nil
		} else if _, linked := os.Lstat(path); linked == nil {
			return path, foundFile, nil // a link to nowhere; reading it says so
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", 0, fault.Usagef("", "%s: %w", path, reason(err))
		}
		if dir == filepath.Dir(dir) {
			return "", 0, nil
		}
	}
}

// isStranger reports whether a file that was found rather than named, such as one in /tmp, belongs to somebody
// whom the user did not choose to trust. Root reads any file, as a container does with a mounted checkout.
func isStranger(owner, user int) bool {
	return owner != user && owner != 0 && user != 0
}

// check validates every setting with the given function. It also checks that the pair is whole and comes from one place;
// and that a file that was only found neither gets a pair from the environment nor names another host with http://.
func (s settings) check(valid func(Key, string) error) error {
	for _, key := range keys() {
		if s[key].text == "" {
			continue
		}
		err := valid(key, s[key].text)
		if s[key].origin == foundFile {
			err = Check(key, s[key].text)
		}
		if err != nil {
			return fault.Usagef(HintFor(err), "%s %w", s[key].where, err)
		}
	}
	id, secret := s[ClientID], s[APIToken]
	const hint = "A pair is always taken from one place: give both there, or neither."
	switch {
	case id.text != "" && secret.text == "":
		return fault.Usagef(hint, "half a pair: %s is given, but no api_token (%s)", id.where, APIToken.Variable())
	case id.text == "" && secret.text != "":
		return fault.Usagef(hint, "half a pair: %s is given, but no client_id (%s)", secret.where, ClientID.Variable())
	case id.origin != secret.origin:
		return fault.Usagef(hint, "a pair from two sources: %s and %s", id.where, secret.where)
	case id.origin == environment && s[SupabaseURL].origin == foundFile:
		return fault.Usagef("Set "+SupabaseURL.Variable()+" too; or name the file with --config or "+FileVariable+" if you trust it.",
			"a pair from the environment is not sent to the address in a file that was only found (%s)", s[SupabaseURL].where)
	}
	return nil
}

// HintFor returns what to do about an error of Check, or "".
func HintFor(err error) string {
	if !errors.Is(err, ErrInsecureHTTP) {
		return ""
	}
	return "If you trust the network in between, allow it with --insecure-http or " + AllowHTTPVariable + "=1; " +
		"if a file has the URL, name that too, with --config or " + FileVariable + "."
}

// risks returns a warning for each way in which others could see the pair in the file.
func risks(path string, given settings) []string {
	if given[APIToken].origin != namedFile && given[APIToken].origin != foundFile {
		return nil
	}
	var warnings []string
	if info, err := os.Stat(path); err == nil && credential.OthersCanRead(info) {
		warnings = append(warnings, fmt.Sprintf("%s holds a secret and others can read it; run: chmod 600 %s", path, path))
	}
	if git.Tracked(path) {
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
