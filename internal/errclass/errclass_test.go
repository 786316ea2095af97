package errclass_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"syscall"
	"testing"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/errclass"
)

func dial(errno syscall.Errno) error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", errno)}
}

// shy is an error that must not be asked anything through a nil pointer.
type shy struct{ text string }

func (s *shy) Error() string { return s.text }

func TestOf(t *testing.T) {
	lookup := &net.DNSError{Err: "i/o timeout", Name: "db", IsTimeout: true, UnwrapErr: context.DeadlineExceeded}
	for _, c := range []struct {
		name string
		err  error
		want errclass.Class
	}{
		{"nil", nil, ""},
		{"any other", errors.New("down"), ""},
		{"a nil pointer", error((*shy)(nil)), ""},
		{"a text of somebody else's", &shy{"tls: not one of ours"}, ""},
		{"canceled", &url.Error{Op: "Get", URL: "x", Err: context.Canceled}, ""},
		{"a lookup that was canceled", &net.DNSError{Err: "operation was canceled", UnwrapErr: context.Canceled}, ""},
		{"canceled beside a failure", errors.Join(context.Canceled, dial(syscall.ECONNREFUSED)), errclass.Refused},
		{"no such file", dial(syscall.ENOENT), ""},
		{"no route", dial(syscall.EHOSTUNREACH), errclass.Refused},
		{"no network", dial(syscall.ENETUNREACH), errclass.Refused},
		{"nobody answers", dial(syscall.ETIMEDOUT), errclass.Timeout},
		{"a pipe", &net.OpError{Op: "write", Net: "tcp", Err: os.NewSyscallError("write", syscall.EPIPE)}, errclass.Reset},
		{"a lookup that took too long is dns", &net.OpError{Op: "dial", Err: lookup}, errclass.DNS},
		{"deadline", fmt.Errorf("x: %w", context.DeadlineExceeded), errclass.Timeout},
		{"GOAWAY", errors.New("http2: Transport received GOAWAY from server ErrCode:INTERNAL_ERROR"), errclass.Reset},
		{"GOAWAY while a body was sent", fmt.Errorf("http2: Transport: cannot retry err [%w] after Request.Body was written",
			errors.New("http2: Transport received Server's graceful shutdown GOAWAY")), errclass.Reset},
		{"in a fault", fault.New(fault.Spec{Code: fault.OperationFailed, Cause: io.ErrUnexpectedEOF}), errclass.EOF},
		{"named", fmt.Errorf("x: %w", errclass.Status(503)), "status_503"},
	} {
		if got := errclass.Of(c.err); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	if text := errclass.Status(503).Error(); text != "the answer has status 503" {
		t.Error(text)
	}
}
