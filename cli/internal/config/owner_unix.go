//go:build unix

package config

import (
	"io/fs"
	"syscall"
)

// owner returns the user who owns a file.
func owner(info fs.FileInfo) (uid int, known bool) {
	stat, known := info.Sys().(*syscall.Stat_t)
	if !known {
		return 0, false
	}
	return int(stat.Uid), true
}
