//go:build !unix

package config

import "io/fs"

// owner is unknown on this system.
func owner(fs.FileInfo) (uid int, known bool) { return 0, false }
