package config

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
)

// maxIndexSize bounds how much of git's index is searched.
const maxIndexSize = 64 << 20

// WorkTree returns the root of the git work tree that dir is in, and its git directory.
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

// tracked reports whether git tracks the file. It looks for the name in the index, which holds names
// in full unless its owner chose version 4: then a file that is tracked can go unnoticed.
func tracked(path string) bool {
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
	// An entry has the length of the name, in twelve bits, then the name and at least one NUL.
	entry := append([]byte{byte(len(name) & 0xff)}, filepath.ToSlash(name)...)
	return bytes.Contains(index, append(entry, 0))
}
