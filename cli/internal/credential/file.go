package credential

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// ReadFile returns the content of a regular file of at most so many bytes. It refuses anything else: a pipe or a device
// could keep the reader waiting for ever.
func ReadFile(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("not a regular file")}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("larger than %d KiB", limit>>10)}
	}
	return data, err
}

// CreateFile writes data to a new file that only its owner can read. It fails with fs.ErrExist if the file exists.
func CreateFile(path string, data []byte) error { return write(path, data, moveToFree) }

// ReplaceFile writes data to a file that only its owner can read, and replaces a file that is there.
func ReplaceFile(path string, data []byte) error { return write(path, data, os.Rename) }

// write writes a file in a directory of its own and then moves it into place. At every moment, a crash included, path
// holds either what it held before or all of the new file. A crash can leave that directory behind: git ignores it, and
// the next write removes it.
func write(path string, data []byte, move func(from, to string) error) error {
	dir, name := filepath.Dir(path), filepath.Base(path)
	removeLeftovers(dir, name)
	aside, err := os.MkdirTemp(dir, name+".*"+asideSuffix) // has mode 0700
	if err != nil {
		return err
	}
	defer discard(aside, name)
	if err := os.WriteFile(filepath.Join(aside, ".gitignore"), []byte("*\n"), 0o600); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(aside, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return move(f.Name(), path)
}

// asideSuffix ends the name of a directory in which a file is written. Random digits stand before it.
const asideSuffix = ".tmp"

// removeLeftovers removes what crashes have left behind, as far as it can.
func removeLeftovers(dir, name string) {
	entries, _ := os.ReadDir(dir)
	for _, entry := range entries {
		rest, found := strings.CutPrefix(entry.Name(), name+".")
		digits, ours := strings.CutSuffix(rest, asideSuffix)
		if entry.IsDir() && found && ours && strings.Trim(digits, "0123456789") == "" {
			discard(filepath.Join(dir, entry.Name()), name)
		}
	}
}

// discard removes a directory with a file. The file goes first: without the .gitignore beside it git would see it.
func discard(dir, name string) {
	_ = os.Remove(filepath.Join(dir, name))
	_ = os.RemoveAll(dir)
}

// moveToFree moves a file to a name that must be free. Where the file system has no hard links, another process could
// take the name between the check and the move.
func moveToFree(from, to string) error {
	err := os.Link(from, to)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, err := os.Lstat(to); err == nil {
		return fs.ErrExist
	}
	return os.Rename(from, to)
}

// OthersCanRead reports whether it is a regular file that its group or others have access to.
func OthersCanRead(info fs.FileInfo) bool {
	return info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows"
}
