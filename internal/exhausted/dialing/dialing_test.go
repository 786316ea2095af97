//go:build unix

package dialing_test

import (
	"context"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/elixirscope/foundation/internal/exhausted/dialing"
	"github.com/elixirscope/foundation/internal/testkit"
)

// These are errors of the operating system, as package net hands them out.
func TestExhausted(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	here := ln.Addr().String()
	nowhere := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)}} // of no interface
	taken := &net.Dialer{LocalAddr: ln.Addr()}
	byName := &net.Dialer{Resolver: &net.Resolver{PreferGo: true}}
	for _, c := range []struct {
		name   string
		dialer *net.Dialer
		target string
		files  bool // none is left
		want   bool
	}{
		{"no descriptor", &net.Dialer{}, here, true, true},
		{"no descriptor for the lookup", byName, "name.invalid:80", true, true},
		{"no address", nowhere, here, false, true},
		{"no port", taken, here, false, true},
		{"no such socket", &net.Dialer{}, filepath.Join(t.TempDir(), "none"), false, false},
	} {
		network := "tcp"
		if filepath.IsAbs(c.target) {
			network = "unix"
		}
		dial := func() error {
			conn, err := c.dialer.DialContext(ctx, network, c.target)
			if err == nil {
				_ = conn.Close()
			}
			return err
		}
		if c.files {
			testkit.WithoutFiles(t, func() { err = dial() })
		} else {
			err = dial()
		}
		if reason, got := dialing.Exhausted(err); err == nil || got != c.want {
			t.Errorf("%s: %v: %v, %q", c.name, err, got, reason)
		}
	}
	_ = ln.Close()
	if _, err = new(net.Dialer).DialContext(ctx, "tcp", here); err == nil {
		t.Fatal("nobody listens")
	} else if reason, got := dialing.Exhausted(err); got {
		t.Errorf("%v: %q", err, reason)
	}
	if reason, got := dialing.Exhausted(&net.DNSError{Err: "no such host", IsNotFound: true}); got {
		t.Errorf("no such host: %q", reason)
	}
}
