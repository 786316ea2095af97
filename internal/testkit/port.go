package testkit

import (
	"fmt"
	"net"
)

// FreePort returns a port of the loopback address that nothing listens on now. Another
// process may take it before it is used.
func FreePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a local port, at once
	if err != nil {
		return 0, err
	}
	defer l.Close() //nolint:errcheck // it has served
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return 0, fmt.Errorf("%v has no port", l.Addr())
	}
	return addr.Port, nil
}
