package localcluster

import "syscall"

// processAttr puts the server into a process group of its own, so that a Ctrl-C
// in the terminal reaches it only through us, and has the kernel end it when we
// die without a chance to do so.
func processAttr(a account) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Setpgid:    true,
		Pdeathsig:  syscall.SIGTERM,
		Credential: a.credential(),
	}
}
