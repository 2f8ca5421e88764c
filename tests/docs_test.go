package tests

import (
	"os"
	"path/filepath"
	"regexp"
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
	for _, document := range []string{"../SECURITY.md", "../README.md", "../docs/scale.md"} {
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
