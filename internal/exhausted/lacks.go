//go:build !windows

package exhausted

import "syscall"

// lacks are of this machine alone. EAGAIN is not among them: connecting to a Unix
// socket it means that the other side does not accept. Nor is ENOSPC, which is as
// often an answer of the dependency.
var lacks = []syscall.Errno{
	syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
	syscall.EADDRNOTAVAIL, syscall.EADDRINUSE, // no local port, nor one to bind to
}
