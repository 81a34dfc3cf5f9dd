//go:build !linux

package localcluster

import "syscall"

// processAttr puts the server into a process group of its own, so that a Ctrl-C
// in the terminal reaches it only through us. There is no signal at the death
// of a parent here: a server whose starter is killed has to be ended by hand.
func processAttr(a account) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: a.credential()}
}
