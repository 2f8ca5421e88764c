package stack

import "syscall"

// attributes makes the kernel send a signal to a process when this program ends, even by SIGKILL, and runs the process as
// another user unless that is 0.
func attributes(signal syscall.Signal, user uint32) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{
		Setpgid:   true, // Ctrl-C is ours to handle, in order
		Pdeathsig: signal,
	}
	if user != 0 {
		a.Credential = &syscall.Credential{Uid: user, Gid: user}
	}
	return a
}
