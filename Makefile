# `make demo` and `make test` need Go, Node 20 or later with npm, and make; they fetch and start the rest.

GOLANGCI_LINT = github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
MIGRATION     = supabase/migrations/20261124000000_babelon.sql

.PHONY: build demo test stack bench screenshots migration lint clean

build: ## bin/babelon
	CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o bin/babelon ./cli/babelon

demo: ## the main job, from sign-up to revocation, on a throwaway Supabase stack
	go run ./tests/demo

test: ## every test, on a throwaway Supabase stack
	go test ./...

stack: ## keep that stack up, with its addresses and keys in .stack/env, until Ctrl-C
	go run ./tests/stack/cmd

bench: ## what it costs: every figure that the README has
	go run ./tests/bench

screenshots: ## docs/screenshots: Settings > API Access in its main states
	mkdir -p docs/screenshots
	go test ./tests -run TestScreenshots -count=1 -args -screenshots=$(CURDIR)/docs/screenshots

migration: ## supabase/migrations from sql/
	cat sql/*.sql > $(MIGRATION)

lint:
	test -z "$$(gofmt -l cli tests)" || { gofmt -d cli tests; exit 1; }
	go vet ./...
	go run $(GOLANGCI_LINT) run
	shellcheck .ci/run
	cat sql/*.sql | cmp - $(MIGRATION) || { echo 'run: make migration'; exit 1; }

clean:
	rm -rf bin .stack tests/stack/node_modules
