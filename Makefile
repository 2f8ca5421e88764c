# `make demo` and `make test` need Go, Node 20 or later with npm, and make. They fetch and start the rest.

GOLANGCI_LINT = github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GITLEAKS      = github.com/zricethezav/gitleaks/v8@v8.30.1
DEADCODE      = golang.org/x/tools/cmd/deadcode@v0.45.0
MIGRATION     = supabase/migrations/20261124000000_babelon.sql

.PHONY: always build help demo test test-cli test-containers stack bench screenshots migration lint secrets clean

build: ## build bin/babelon
	CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o bin/babelon ./cli/babelon

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## show the main job, from sign-up to revocation, on a throwaway Supabase stack
	go run ./tests/demo

test: ## run every test, on a throwaway Supabase stack
	go test -timeout=20m ./...

test-cli: ## run the tests of the command line, which need no stack
	go test ./cli/...

test-containers: ## run the tests on containers, with what only those have: PostgreSQL 15, PgBouncer, a standby, pg_cron
	BABELON_STACK=containers go test -timeout=20m -count=1 -p=1 ./tests ./tests/stack/containers

stack: .stack/up ## keep a throwaway Supabase stack up, with its addresses and keys in .stack/env, until Ctrl-C

# The program ends when this file goes, and make removes it when make is interrupted. `go run` would keep a signal to itself.
.stack/up: always
	go build -o bin/stack ./tests/stack/cmd
	bin/stack

bench: ## measure what Babelon costs: every figure in the README
	go run ./tests/bench

screenshots: ## write docs/screenshots: Settings > API Access in its main states
	mkdir -p docs/screenshots
	go test ./tests -run TestScreenshots_ -count=1 -args -screenshots=$(CURDIR)/docs/screenshots

migration: ## write supabase/migrations from sql/
	cat sql/*.sql > $(MIGRATION)

lint: secrets ## check the format, the linters, unused code, shell scripts, secrets, and that the migration is sql/
	test -z "$$(gofmt -l cli tests)" || { gofmt -d cli tests; exit 1; }
	go vet ./...
	go run $(GOLANGCI_LINT) run
	unused="$$(go run $(DEADCODE) -test ./...)" && echo "$$unused" && test -z "$$unused"
	shellcheck .ci/run .ci/docker
	cat sql/*.sql | cmp - $(MIGRATION) || { echo 'run: make migration'; exit 1; }

secrets: ## find no secret in the history and the files to be committed, and find one that is planted
	go run $(GITLEAKS) git --no-banner --redact --verbose
	git ls-files -z --cached --others --exclude-standard ':!go.sum' ':!*package-lock.json' | xargs -0 cat | go run $(GITLEAKS) stdin --no-banner --redact --verbose
	printf 'bbl_tok_%s' "$$(od -An -N16 -tx1 /dev/urandom | tr -d ' ')" | \
	  go run $(GITLEAKS) stdin --no-banner --redact --exit-code=0 --report-format=json --report-path=- | grep -q babelon-api-token

clean: ## remove bin, .stack and what npm installed
	rm -rf bin .stack tests/stack/node_modules
