//go:build !linux

package stack

import "syscall"

// attributes is never called here: install has refused. It lets `go vet ./...` and the refusal compile.
func attributes(syscall.Signal, uint32) *syscall.SysProcAttr { return nil }
