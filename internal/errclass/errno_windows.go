package errclass

import "syscall"

var (
	// refused are WSAECONNREFUSED, WSAEHOSTUNREACH, WSAENETUNREACH, WSAEHOSTDOWN and WSAENETDOWN.
	refused = []syscall.Errno{10061, 10065, 10051, 10064, 10050}
	// reset are WSAECONNRESET, WSAECONNABORTED and the ends of a pipe.
	reset = []syscall.Errno{10054, 10053, syscall.ERROR_BROKEN_PIPE}
)
