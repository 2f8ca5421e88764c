# `make demo` and `make test` need Go, Node 20 or later with npm, and make; they fetch and start the rest.

GOLANGCI_LINT = github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GITLEAKS      = github.com/zricethezav/gitleaks/v8@v8.30.1
DEADCODE      = golang.org/x/tools/cmd/deadcode@v0.45.0
MIGRATION     = supabase/migrations/20261124000000_babelon.sql

# Tests that start servers of their own, whatever the stack runs on.
OWN_SERVERS = 'TestNo_request_fails_while_the_migration|TestA_migration_that_cannot|TestA_role_of_the_tokens_name'

.PHONY: always build demo test test-containers stack bench screenshots migration lint secrets clean

build: ## bin/babelon
	CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o bin/babelon ./cli/babelon

demo: ## the main job, from sign-up to revocation, on a throwaway Supabase stack
	go run ./tests/demo

test: ## every test, on a throwaway Supabase stack
	go test -timeout=20m ./...

test-containers: ## the same tests on containers, with what only those have: PostgreSQL 15, PgBouncer, a standby, pg_cron
	BABELON_STACK=containers go test -timeout=20m -count=1 -p=1 -skip=$(OWN_SERVERS) ./tests ./tests/stack/containers

stack: .stack/up ## keep that stack up, with its addresses and keys in .stack/env, until Ctrl-C

# The program ends when this file goes, and make removes it when make is interrupted. `go run` would keep a signal to itself.
.stack/up: always
	go build -o bin/stack ./tests/stack/cmd
	bin/stack

bench: ## what it costs: every figure that the README has
	go run ./tests/bench

screenshots: ## docs/screenshots: Settings > API Access in its main states
	mkdir -p docs/screenshots
	go test ./tests -run TestScreenshots -count=1 -args -screenshots=$(CURDIR)/docs/screenshots

migration: ## supabase/migrations from sql/
	cat sql/*.sql > $(MIGRATION)

lint: secrets
	test -z "$$(gofmt -l cli tests)" || { gofmt -d cli tests; exit 1; }
	go vet ./...
	go run $(GOLANGCI_LINT) run
	unused="$$(go run $(DEADCODE) -test ./...)" && echo "$$unused" && test -z "$$unused"
	shellcheck .ci/run .ci/docker
	cat sql/*.sql | cmp - $(MIGRATION) || { echo 'run: make migration'; exit 1; }

secrets: ## none in the history, none in the files that are to be committed; and one that is planted is found
	go run $(GITLEAKS) git --no-banner --redact --verbose
	git ls-files -z --cached --others --exclude-standard ':!go.sum' ':!*package-lock.json' | xargs -0 cat | go run $(GITLEAKS) stdin --no-banner --redact --verbose
	printf 'bbl_tok_%s' "$$(od -An -N16 -tx1 /dev/urandom | tr -d ' ')" | \
	  go run $(GITLEAKS) stdin --no-banner --redact --exit-code=0 --report-format=json --report-path=- | grep -q babelon-api-token

clean:
	rm -rf bin .stack tests/stack/node_modules
