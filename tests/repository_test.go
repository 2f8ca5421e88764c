package tests

import (
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestEvery_test_that_the_documents_name_is_there(t *testing.T) {
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		code.Write(content)
	}
	for _, document := range []string{"../SECURITY.md", "../README.md", "../CONTRIBUTING.md", "../CHANGELOG.md", "../docs/scale.md", "../docs/operations.md", "../docs/organizations.md", "../docs/policies.md"} {
		content, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile(`\bTest[A-Z]\w+`).FindAllString(string(content), -1) {
			if !strings.Contains(code.String(), "func "+name) {
				t.Errorf("%s names %s, which is not there", document, name)
			}
		}
	}
}

func TestEvery_test_is_named_by_a_sentence_and_a_file_without_one_by_helpers(t *testing.T) {
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w*)\(`)
	for _, root := range []string{"../cli", "../tests"} {
		err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
			if err != nil || entry.Name() == "node_modules" {
				return cmp.Or(err, filepath.SkipDir)
			}
			if !strings.HasSuffix(path, "_test.go") {
				return nil
			}
			code, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			tests := declared.FindAllStringSubmatch(string(code), -1)
			for _, test := range tests {
				if name := test[1]; name != "TestMain" && !strings.Contains(name, "_") {
					t.Errorf("%s: %s is no sentence with underscores", path, name)
				}
			}
			if helper := strings.HasPrefix(entry.Name(), "helpers_"); helper != (len(tests) == 0) {
				t.Errorf("%s has %d tests, and files without one, and only these, are named helpers_*", path, len(tests))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// The stack, and what only tests need, are never linked into the command.
func TestThe_command_links_nothing_of_the_tests(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "../cli/babelon").Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := strings.Fields(string(out))
	if !slices.Contains(packages, "github.com/babelon/babelon/cli/internal/command") {
		t.Fatalf("go list -deps says only %q", packages)
	}
	for _, name := range packages {
		for _, foreign := range []string{"testing", "github.com/babelon/babelon/tests", "github.com/jackc", "github.com/testcontainers", "github.com/moby"} {
			if name == foreign || strings.HasPrefix(name, foreign+"/") {
				t.Errorf("babelon links %s", name)
			}
		}
	}
}
