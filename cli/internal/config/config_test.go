package config_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/babelon/babelon/cli/internal/config"
	"github.com/babelon/babelon/cli/internal/credential"
	"github.com/babelon/babelon/cli/internal/fault"
)

const (
	clientID = "bbl_cid_0123456789abcdef"
	token    = "bbl_tok_0123456789abcdef0123456789abcdef"
	other    = "bbl_cid_fedcba9876543210"
	tenant   = "6f1c2b9e-0f3a-4a52-9f60-2a4f0c6f1a11"

	url  = `supabase_url = "https://abcdefghijklmnopqrst.supabase.co"` + "\n"
	pair = `client_id = "` + clientID + `"` + "\n" + `api_token = "` + token + `"` + "\n"
)

// load loads the configuration of a directory whose .babelon.toml has the content; "-" for no file.
func load(t *testing.T, content string, environment map[string]string) (*config.Config, error) {
	t.Helper()
	dir := t.TempDir()
	if content != "-" {
		write(t, filepath.Join(dir, config.FileName), content)
	}
	return config.Load(config.Source{Dir: dir, Getenv: func(name string) string { return environment[name] }})
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestThe_four_keys_of_a_file_are_read(t *testing.T) {
	for name, content := range map[string]string{
		"as documented": url + pair + `tenant_id = "` + tenant + `"`,
		"with BOM, CRLF and comments": "\uFEFF# mine\r\n" +
			strings.ReplaceAll(url+pair, "\n", " # this too\r\n") + "tenant_id = '" + tenant + "'\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			c, err := load(t, content, nil)
			if err != nil {
				t.Fatal(err)
			}
			if c.URL != "https://abcdefghijklmnopqrst.supabase.co" || c.Pair.ClientID != clientID || c.Pair.Secret.Reveal() != token || c.TenantID != tenant {
				t.Errorf("got %+v", c)
			}
			if len(c.Warnings) > 0 {
				t.Errorf("warns of %q", c.Warnings)
			}
		})
	}
}

func TestTwo_variables_do_without_a_file_what_the_file_does(t *testing.T) {
	c, err := load(t, "-", map[string]string{
		"BABELON_SUPABASE_URL": "https://abcdefghijklmnopqrst.supabase.co/", "BABELON_CLIENT_ID": clientID, "BABELON_API_TOKEN": token,
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.Pair.ClientID != clientID || c.Pair.Secret.Reveal() != token || c.PairSource != "BABELON_CLIENT_ID" {
		t.Errorf("got %+v", c)
	}
	if c.URL != "https://abcdefghijklmnopqrst.supabase.co" {
		t.Errorf("the URL is %s", c.URL)
	}
}

func TestA_variable_made_from_a_file_may_end_with_its_line_break(t *testing.T) {
	for _, end := range []string{"\n", "\r\n"} {
		path := filepath.Join(t.TempDir(), "named.toml")
		write(t, path, url)
		environment := map[string]string{config.FileVariable: path + end, "BABELON_CLIENT_ID": clientID + end, "BABELON_API_TOKEN": token + end, "BABELON_TENANT_ID": end}
		c, err := config.Load(config.Source{Getenv: func(name string) string { return environment[name] }})
		if err != nil || c.Pair.ClientID != clientID || c.Pair.Secret.Reveal() != token || c.TenantID != "" {
			t.Errorf("%q: %+v, %v", end, c, err)
		}
	}
}

func TestHTTP_to_another_host_is_allowed_by_flag_or_variable_and_never_in_a_file_that_was_found(t *testing.T) {
	const kong = "http://kong:8000"
	dir := t.TempDir()
	path := filepath.Join(dir, config.FileName)
	write(t, path, `supabase_url = "`+kong+`"`)
	sources := map[string]config.Source{"flag": {Dir: t.TempDir(), URL: kong}, "variable": {Dir: t.TempDir()}, "named": {File: path}, "found": {Dir: dir}}
	for name, from := range sources {
		for _, allowed := range []string{"", "by flag", "1", "1\n", "0", "yes"} {
			from.InsecureHTTP = allowed == "by flag"
			from.Getenv = func(variable string) string {
				switch {
				case variable == "BABELON_ALLOW_HTTP" && allowed != "by flag":
					return allowed
				case variable == "BABELON_SUPABASE_URL" && name == "variable":
					return kong
				}
				return ""
			}
			c, err := config.Load(from)
			var f *fault.Error
			switch accepted := name != "found" && (allowed == "by flag" || strings.HasPrefix(allowed, "1")); {
			case accepted && (err != nil || c.URL != kong || len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "not encrypted")):
				t.Errorf("%s, allowed %q: %+v, %v", name, allowed, c, err)
			case !accepted && (!errors.As(err, &f) || f.Kind != fault.Usage || !strings.Contains(f.Hint, "--insecure-http or BABELON_ALLOW_HTTP=1")):
				t.Errorf("%s, allowed %q: %+v, %v", name, allowed, c, err)
			}
		}
	}
}

func TestA_flag_wins_over_the_environment_and_that_over_the_file(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, config.FileName), url+`publishable_key = "sb_publishable_file"`+"\n"+pair)
	environment := map[string]string{
		"BABELON_SUPABASE_URL": "https://environment.example.com",
		"BABELON_CLIENT_ID":    other, "BABELON_API_TOKEN": token,
	}
	from := config.Source{Dir: dir, Getenv: func(name string) string { return environment[name] }}
	c, err := config.Load(from)
	if err != nil {
		t.Fatal(err)
	}
	if c.URL != "https://environment.example.com" || c.Pair.ClientID != other || c.PublishableKey != "sb_publishable_file" {
		t.Errorf("from environment and file: %+v", c)
	}
	from.URL = "https://flag.example.com/prefix"
	if c, err = config.Load(from); err != nil || c.URL != "https://flag.example.com/prefix" {
		t.Errorf("from flag: %+v, %v", c, err)
	}
}

func TestThe_nearest_file_upward_is_read(t *testing.T) {
	root := t.TempDir()
	deep := filepath.Join(root, "a", "b", "c")
	if err := os.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(root, config.FileName), `supabase_url = "https://far.example.com"`)
	write(t, filepath.Join(root, "a", config.FileName), `supabase_url = "https://near.example.com"`)
	write(t, filepath.Join(root, "elsewhere"), `supabase_url = "https://elsewhere.example.com"`)

	from := config.Source{Dir: deep, Getenv: func(string) string { return "" }}
	for _, want := range []string{"https://near.example.com", "https://elsewhere.example.com"} {
		c, err := config.Load(from)
		if err != nil || c.URL != want {
			t.Errorf("got %+v, %v, want %s", c, err, want)
		}
		from.Getenv = func(name string) string {
			return map[string]string{config.FileVariable: filepath.Join(root, "elsewhere")}[name]
		}
	}
}

func TestBad_configuration_is_a_usage_error_that_names_the_culprit_and_no_value(t *testing.T) {
	tests := map[string]struct {
		file        string
		environment map[string]string
		want        string
	}{
		"nothing at all":             {"-", nil, "no supabase_url: there is no .babelon.toml"},
		"an empty file":              {"", nil, "no supabase_url: FILE has none"},
		"an empty value":             {`supabase_url = ""`, nil, "no supabase_url: FILE has none"},
		"an unknown key":             {url + `token = "x"`, nil, "FILE:2: token is not a known key"},
		"a key in a table":           {url + "[babelon]\n", nil, "FILE:2: babelon is not a known key"},
		"a dotted key":               {`client_id.x = "y"`, nil, "FILE:1: client_id.x is not a known key"},
		"a duplicate key":            {url + pair + url, nil, "FILE:4: supabase_url is given twice"},
		"a duplicate in other case":  {url + pair + `Client_ID = "` + other + `"`, nil, "FILE:4: Client_ID is not a known key"},
		"a number":                   {url + "client_id = 5", nil, "FILE:2: client_id is not a text in quotes"},
		"no quotes":                  {url + "\n\napi_token = " + token, nil, "FILE:4: not valid TOML"},
		"not UTF-8":                  {"\xff", nil, "FILE: not UTF-8 text"},
		"UTF-16, as PowerShell's":    {"\xff\xfes\x00", nil, "FILE: saved as UTF-16; save it as UTF-8"},
		"UTF-16, big-endian":         {"\xfe\xff\x00s", nil, "FILE: saved as UTF-16; save it as UTF-8"},
		"too large":                  {strings.Repeat("#\n", 40<<10), nil, "FILE: larger than 64 KiB"},
		"swapped values":             {url + `client_id = "` + token + `"` + "\n" + `api_token = "` + clientID + `"`, nil, "FILE:2: client_id holds an API token"},
		"the sample URL":             {`supabase_url = "https://your-project.supabase.co"`, nil, "FILE:1: supabase_url is the sample value"},
		"the sample client ID":       {url + `client_id = "bbl_cid_a1b2c3d4e5f6g7h8…"` + "\n" + `api_token = "` + token + `"`, nil, "FILE:2: client_id is the sample value"},
		"the sample token":           {url + `client_id = "` + clientID + `"` + "\n" + `api_token = "bbl_tok_a1b2c3d4e5f6g7h8…"`, nil, "FILE:3: api_token is the sample value"},
		"the sample tenant":          {url + `tenant_id = "your-tenant-uuid"`, nil, "FILE:2: tenant_id is the sample value"},
		"the sample publishable key": {url + `publishable_key = "sb_publishable_…"`, nil, "FILE:2: publishable_key is the sample value"},
		"a secret key":               {url + `publishable_key = "sb_secret_abc"`, nil, "FILE:2: publishable_key holds a secret key"},
		"a tenant that is no UUID":   {url + `tenant_id = "acme"`, nil, "FILE:2: tenant_id should be the organization's UUID"},
		"half a pair in the file":    {url + `client_id = "` + clientID + `"`, nil, "half a pair: FILE:2: client_id is given, but no api_token"},
		"the other half":             {url + `api_token = "` + token + `"`, nil, "half a pair: FILE:2: api_token is given, but no client_id"},
		"half a pair in variables":   {url, map[string]string{"BABELON_API_TOKEN": token}, "half a pair: BABELON_API_TOKEN is given, but no client_id (BABELON_CLIENT_ID)"},
		"a pair from two sources":    {url + pair, map[string]string{"BABELON_CLIENT_ID": other}, "a pair from two sources: BABELON_CLIENT_ID and FILE:3: api_token"},
		"a newline before a value":   {url, map[string]string{"BABELON_CLIENT_ID": clientID, "BABELON_API_TOKEN": "\n" + token}, "BABELON_API_TOKEN has white space or a line break around it"},
		"a blank after a value":      {url, map[string]string{"BABELON_CLIENT_ID": clientID, "BABELON_API_TOKEN": token + " "}, "BABELON_API_TOKEN has white space or a line break around it"},
		"a blank before a newline":   {url, map[string]string{"BABELON_CLIENT_ID": clientID, "BABELON_API_TOKEN": token + " \n"}, "BABELON_API_TOKEN has white space or a line break around it"},
		"a newline in a value":       {url, map[string]string{"BABELON_CLIENT_ID": clientID + "\n" + clientID, "BABELON_API_TOKEN": token}, "BABELON_CLIENT_ID has white space or an unprintable"},
		"a malformed variable":       {url, map[string]string{"BABELON_CLIENT_ID": "bbl_cid_XYZ", "BABELON_API_TOKEN": token}, "BABELON_CLIENT_ID should be bbl_cid_"},
		"http to another host":       {`supabase_url = "http://example.com"`, nil, "FILE:1: supabase_url uses http:// for another host"},
		"http to a lookalike":        {`supabase_url = "http://127.0.0.1.example.com"`, nil, "FILE:1: supabase_url uses http:// for another host"},
		"a password in the URL":      {`supabase_url = "https://ada:hunter2@example.com"`, nil, "FILE:1: supabase_url has a user name"},
		"a query in the URL":         {`supabase_url = "https://example.com/?x=1"`, nil, "FILE:1: supabase_url has a query"},
		"an empty query in the URL":  {`supabase_url = "https://example.com?"`, nil, "FILE:1: supabase_url has a query"},
		"a page of the dashboard":    {`supabase_url = "https://supabase.com/dashboard/project/x"`, nil, "FILE:1: supabase_url is a page of the dashboard"},
		"a path of the API":          {`supabase_url = "https://example.com/rest/v1/"`, nil, "FILE:1: supabase_url has a path of the API"},
		"a fragment in the URL":      {`supabase_url = "https://example.com/#x"`, nil, "FILE:1: supabase_url has a query or fragment"},
		"dots in the URL":            {`supabase_url = "https://example.com/../x"`, nil, "FILE:1: supabase_url has an unusual path"},
		"escapes in the URL":         {`supabase_url = "https://example.com/%3Fx"`, nil, "FILE:1: supabase_url has an unusual path"},
		"another scheme":             {`supabase_url = "ftp://example.com"`, nil, "FILE:1: supabase_url should look like https://"},
		"no scheme":                  {`supabase_url = "example.com"`, nil, "FILE:1: supabase_url should look like https://"},
		"a control character":        {`supabase_url = "https://example.com\u001b[2J"`, nil, "FILE:1: supabase_url has white space or an unprintable"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, config.FileName)
			if test.file != "-" {
				write(t, path, test.file)
			}
			_, err := config.Load(config.Source{Dir: dir, Getenv: func(name string) string { return test.environment[name] }})
			var f *fault.Error
			if !errors.As(err, &f) || f.Kind != fault.Usage {
				t.Fatalf("got %v", err)
			}
			if want := strings.ReplaceAll(test.want, "FILE", path); !strings.HasPrefix(err.Error(), want) {
				t.Errorf("got  %v\nwant %s…", err, want)
			}
			for _, value := range []string{token, clientID, other, "hunter2", "bbl_tok_a1"} {
				if strings.Contains(err.Error()+f.Hint, value) {
					t.Errorf("%v quotes a value", err)
				}
			}
		})
	}
}

func TestA_files_name_does_not_decide_where_its_values_come_from(t *testing.T) {
	t.Chdir(t.TempDir())
	const path = "BABELON_ci.toml"
	environment := map[string]string{}
	from := config.Source{File: path, Getenv: func(name string) string { return environment[name] }}

	write(t, path, url+pair)
	if err := os.Chmod(path, 0o666); err != nil { //nolint:gosec // that is what is warned about
		t.Fatal(err)
	}
	if c, err := config.Load(from); err != nil || len(c.Warnings) != 1 {
		t.Errorf("a file that everybody can write: %+v, %v", c, err)
	}

	environment["BABELON_API_TOKEN"] = token
	_, err := config.Load(from)
	if want := "a pair from two sources: BABELON_ci.toml:2: client_id and BABELON_API_TOKEN"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestA_pair_from_the_environment_goes_to_no_address_that_was_only_found(t *testing.T) {
	const elsewhere = "https://elsewhere.example.com"
	pairOnly := map[string]string{"BABELON_CLIENT_ID": clientID, "BABELON_API_TOKEN": token}
	with := func(name, value string) map[string]string {
		all := maps.Clone(pairOnly)
		all[name] = value
		return all
	}
	dir := t.TempDir()
	path := filepath.Join(dir, config.FileName)
	write(t, path, `supabase_url = "`+elsewhere+`"`)
	from := config.Source{Dir: dir}
	for name, test := range map[string]struct {
		flags       config.Source
		environment map[string]string
		refused     bool
	}{
		"found":                      {from, pairOnly, true},
		"found in a folder above":    {config.Source{Dir: filepath.Join(dir, "a", "b")}, pairOnly, true},
		"in a variable":              {from, with("BABELON_SUPABASE_URL", elsewhere), false},
		"by flag":                    {config.Source{Dir: dir, URL: elsewhere}, pairOnly, false},
		"in a file named by flag":    {config.Source{Dir: dir, File: path}, pairOnly, false},
		"in one named by a variable": {from, with(config.FileVariable, path), false},
	} {
		test.flags.Getenv = func(name string) string { return test.environment[name] }
		c, err := config.Load(test.flags)
		var f *fault.Error
		switch {
		case test.refused && (!errors.As(err, &f) || f.Kind != fault.Usage || !strings.Contains(err.Error(), path+":1") || !strings.Contains(f.Hint, "BABELON_SUPABASE_URL")):
			t.Errorf("%s: got %+v, %v", name, c, err)
		case !test.refused && (err != nil || c.URL != elsewhere || c.Pair.ClientID != clientID):
			t.Errorf("%s: got %+v, %v", name, c, err)
		}
	}
}

func TestA_file_that_cannot_be_read_is_named(t *testing.T) {
	dir := t.TempDir()
	for name, path := range map[string]string{"missing": filepath.Join(dir, "nowhere.toml"), "a directory": dir, "a device": os.DevNull} {
		_, err := config.Load(config.Source{Dir: dir, File: path, Getenv: func(string) string { return "" }})
		var f *fault.Error
		if !errors.As(err, &f) || f.Kind != fault.Usage || strings.Count(err.Error(), path) != 1 {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestLoopback_needs_no_TLS(t *testing.T) {
	for _, host := range []string{"localhost", "LOCALHOST", "127.0.0.1", "127.8.7.6", "[::1]"} {
		c, err := load(t, `supabase_url = "http://`+host+`:54321/"`, nil)
		if err != nil || c.URL != "http://"+strings.ToLower(host)+":54321" {
			t.Errorf("%s: %v, %v", host, c, err)
		}
	}
}

func TestA_file_that_others_can_read_is_warned_about_when_it_holds_a_secret(t *testing.T) {
	for content, want := range map[string]int{url + pair: 1, url: 0, url + "client_id = ''\napi_token = ''": 0, url + "client_id = ''": 0} {
		path := filepath.Join(t.TempDir(), config.FileName)
		write(t, path, content)
		if err := os.Chmod(path, 0o640); err != nil { //nolint:gosec // that is what is warned about
			t.Fatal(err)
		}
		c, err := config.Load(config.Source{File: path, Getenv: func(string) string { return "" }})
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Warnings) != want || want > 0 && !strings.Contains(c.Warnings[0], "chmod 600 "+path) {
			t.Errorf("warns of %q", c.Warnings)
		}
	}
}

func TestWritten_values_are_read_back(t *testing.T) {
	values := config.Values{
		URL: "https://abcdefghijklmnopqrst.supabase.co", PublishableKey: `sb_publishable_"quoted\`,
		ClientID: clientID, APIToken: credential.NewSecret(token), TenantID: tenant,
	}
	content, err := values.TOML()
	if err != nil {
		t.Fatal(err)
	}
	c, err := load(t, string(content), nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.URL != values.URL || c.PublishableKey != values.PublishableKey || c.Pair.ClientID != clientID || c.Pair.Secret.Reveal() != token || c.TenantID != tenant {
		t.Errorf("got %+v", c)
	}
}

func TestValues_that_could_not_be_read_back_are_not_written(t *testing.T) {
	good := config.Values{URL: "https://example.com", ClientID: clientID, APIToken: credential.NewSecret(token)}
	for name, spoil := range map[string]func(*config.Values){
		"no URL":      func(v *config.Values) { v.URL = "" },
		"half a pair": func(v *config.Values) { v.ClientID = "" },
		"a bad token": func(v *config.Values) { v.APIToken = credential.NewSecret("hunter2") },
	} {
		bad := good
		spoil(&bad)
		if content, err := bad.TOML(); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %q, %v", name, content, err)
		}
	}
}

func TestThe_environment_is_bare_lines(t *testing.T) {
	values := config.Values{URL: "https://example.com", ClientID: clientID, APIToken: credential.NewSecret(token)}
	want := "BABELON_SUPABASE_URL=https://example.com\nBABELON_CLIENT_ID=" + clientID + "\nBABELON_API_TOKEN=" + token + "\n"
	if got := values.Env(); got != want {
		t.Errorf("got %q", got)
	}
}

func FuzzA_file_is_read_or_refused_without_quoting_the_secret(f *testing.F) {
	f.Add(url + pair)
	f.Add(url + "api_token = " + token)
	f.Add(url + "client_id = '''\n" + token + "'''")
	f.Add("\uFEFF[x]\r\na.b = { c = 1 }")
	f.Fuzz(func(t *testing.T, content string) {
		path := filepath.Join(t.TempDir(), config.FileName)
		write(t, path, content)
		c, err := config.Load(config.Source{File: path, Getenv: func(string) string { return "" }})
		var f *fault.Error
		switch {
		case err == nil && (c.URL == "" || c.Pair != nil && (credential.CheckClientID(c.Pair.ClientID) != nil || credential.CheckSecret(c.Pair.Secret.Reveal()) != nil)):
			t.Errorf("accepted %+v", c)
		case err != nil && (!errors.As(err, &f) || f.Kind != fault.Usage):
			t.Errorf("got %v", err)
		case err != nil && strings.Contains(err.Error(), token) && !strings.Contains(err.Error(), "is not a known key"):
			t.Errorf("quotes the secret: %v", err)
		}
	})
}

func TestEvery_value_of_the_example_is_known_as_a_sample(t *testing.T) {
	example, err := os.ReadFile("../../../.babelon.toml.example")
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for line := range strings.Lines(string(example)) {
		key, _, ok := strings.Cut(line, " = ")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		lines++
		if _, err := load(t, line, nil); err == nil || !strings.HasSuffix(err.Error(), key+" is the sample value; put your own in its place") {
			t.Errorf("%s: %v", key, err)
		}
	}
	if lines != 5 {
		t.Errorf("the example shows %d keys", lines)
	}
}
