// Package git reads and writes what keeps a secret out of a git work tree.
package git

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// maxIndexSize is the size in bytes of the largest index that is searched.
const maxIndexSize = 64 << 20

// WorkTree returns the root of the work tree that dir is in, and its git directory.
func WorkTree(dir string) (root, gitDir string, ok bool) {
	for ; ; dir = filepath.Dir(dir) {
		gitDir = filepath.Join(dir, ".git")
		if info, err := os.Stat(gitDir); err == nil {
			if !info.IsDir() { // a submodule or a linked work tree: the file says where
				data, err := os.ReadFile(gitDir)
				to, found := strings.CutPrefix(string(data), "gitdir:")
				if err != nil || !found {
					return "", "", false
				}
				if gitDir = strings.TrimSpace(to); !filepath.IsAbs(gitDir) {
					gitDir = filepath.Join(dir, gitDir)
				}
			}
			return dir, gitDir, true
		}
		if dir == filepath.Dir(dir) {
			return "", "", false
		}
	}
}

// Tracked reports whether git tracks the file. It looks for the name in the index itself, because starting git takes
// longer than the rest of most commands. Version 4 of the index abbreviates names; for that it asks git.
func Tracked(path string) bool {
	path, err := filepath.Abs(path)
	if err != nil {
		return false
	}
	root, gitDir, ok := WorkTree(filepath.Dir(path))
	if !ok {
		return false
	}
	name, err := filepath.Rel(root, path)
	if err != nil {
		return false
	}
	info, err := os.Stat(filepath.Join(gitDir, "index"))
	if err != nil || info.Size() > maxIndexSize {
		return false
	}
	index, err := os.ReadFile(filepath.Join(gitDir, "index"))
	if err != nil {
		return false
	}
	if version := 7; len(index) > version && index[version] == 4 {
		tracked, _ := ask(root, "--literal-pathspecs", "ls-files", "--error-unmatch", "--", name)
		return tracked
	}
	// An entry has the length of the name, in twelve bits, then the name and at least one NUL.
	entry := append([]byte{byte(len(name) & 0xff)}, filepath.ToSlash(name)...)
	return bytes.Contains(index, append(entry, 0))
}

// ask runs git in a directory for a yes or no. known is false if git is missing or cannot tell. core.fsmonitor is off,
// because a downloaded work tree could have git start a program that way.
func ask(dir string, question ...string) (yes, known bool) {
	err := exec.Command("git", append([]string{"-C", dir, "-c", "core.fsmonitor=false"}, question...)...).Run() //nolint:gosec // nothing of it is a flag
	var exit *exec.ExitError
	no := errors.As(err, &exit) && exit.ExitCode() == 1
	return err == nil, err == nil || no
}

// Ignore adds the file to the .gitignore beside it, unless git ignores it already or no work tree is around it. It
// returns the path of a .gitignore that was changed, else "".
func Ignore(path string) (changed string, err error) {
	path, err = filepath.Abs(path)
	if err != nil {
		return "", err
	}
	dir, name := filepath.Split(path)
	if _, _, ok := WorkTree(dir); !ok {
		return "", nil
	}
	file := filepath.Join(dir, ".gitignore")
	content, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	ignored, known := ask(dir, "check-ignore", "--quiet", "--no-index", "--", "./"+name)
	if !known {
		ignored = lists(string(content), name)
	}
	if ignored {
		return "", nil
	}
	if len(content) > 0 && !bytes.HasSuffix(content, []byte("\n")) {
		name = "\n" + name
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644) //nolint:gosec // everybody may read a .gitignore
	if err != nil {
		return "", err
	}
	_, err = f.WriteString(name + "\n")
	return file, errors.Join(err, f.Close())
}

// lists reports whether a .gitignore lists the name itself. The last such line decides.
func lists(content, name string) (listed bool) {
	for line := range strings.Lines(content) {
		pattern, negated := strings.CutPrefix(strings.TrimSpace(line), "!")
		if strings.TrimPrefix(pattern, "/") == name {
			listed = !negated
		}
	}
	return listed
}
