package exhausted

import "syscall"

// lacks are WSAEMFILE, WSAENOBUFS, WSAEADDRNOTAVAIL and WSAEADDRINUSE.
var lacks = []syscall.Errno{10024, 10055, 10049, 10048}
