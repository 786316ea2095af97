package exhausted_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"syscall"
	"testing"

	"github.com/elixirscope/foundation/internal/exhausted"
)

func TestBy(t *testing.T) {
	dial := func(call string, errno syscall.Errno) error {
		return fmt.Errorf("so: %w", &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError(call, errno)})
	}
	for _, c := range []struct {
		err  error
		want bool
	}{
		{dial("socket", syscall.EMFILE), true},
		{dial("socket", syscall.ENFILE), true},
		{dial("socket", syscall.ENOBUFS), true},
		{dial("socket", syscall.ENOMEM), true},
		{dial("connect", syscall.EADDRNOTAVAIL), true},
		{dial("bind", syscall.EADDRINUSE), true},
		{errors.Join(dial("connect", syscall.ECONNREFUSED), dial("socket", syscall.EMFILE)), true},
		{dial("connect", syscall.ECONNREFUSED), false},
		{dial("connect", syscall.EAGAIN), false},
		{dial("connect", syscall.ENETUNREACH), false},
		{dial("connect", syscall.ETIMEDOUT), false},
		{errors.New("too many open files"), false}, // somebody else's
		{io.EOF, false},
		{nil, false},
	} {
		reason, got := exhausted.By(c.err)
		if got != c.want || got != slices.Contains(exhausted.Texts(), reason) {
			t.Errorf("%v: %v, %q", c.err, got, reason)
		}
	}
}
