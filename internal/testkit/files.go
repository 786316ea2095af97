//go:build unix

package testkit

import (
	"os"
	"syscall"
	"testing"
)

// WithoutFiles calls fn while the process can open no file and no socket. Nothing
// else may need one meanwhile, so its test must not run beside others.
func WithoutFiles(tb testing.TB, fn func()) {
	tb.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		tb.Fatal(err)
	}
	next, err := os.Open(os.DevNull) // has the lowest free number
	if err != nil {
		tb.Fatal(err)
	}
	few := limit
	few.Cur = uint64(next.Fd())
	if err := next.Close(); err != nil {
		tb.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few); err != nil {
		tb.Fatal(err)
	}
	defer func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			tb.Error(err)
		}
	}()
	fn()
}
