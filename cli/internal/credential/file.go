package credential

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// CreateFile writes data to a new file that only its owner can read. It fails with fs.ErrExist if the file exists,
// and leaves nothing behind when it fails.
func CreateFile(path string, data []byte) error {
	// Claim the name first: a rename alone would replace what another process has just put there.
	claim, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err = claim.Close(); err == nil {
		err = ReplaceFile(path, data)
	}
	if err != nil {
		_ = os.Remove(path)
	}
	return err
}

// ReplaceFile writes data to a file that only its owner can read, and replaces a file that is there. At every moment,
// a crash included, the file holds either the old content or all of the new.
func ReplaceFile(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp") // has mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(data); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// OthersCanRead reports whether it is a regular file that its group or others have access to.
func OthersCanRead(info fs.FileInfo) bool {
	return info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows"
}
