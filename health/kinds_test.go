package health_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/elixirscope/foundation/health"
)

func TestTCP_ConnectsToTheAddress(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	run, err := health.TCP(ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context()); err != nil {
		t.Errorf("a port that is open: %v", err)
	}
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context()); err == nil {
		t.Error("a port that is closed passes")
	}
	ended, cancel := context.WithTimeout(t.Context(), -time.Second)
	defer cancel()
	if err := run(ended); err == nil || err.Error() != "there was no answer in time" {
		t.Errorf("when its time is over: %v", err)
	}
}

func TestTCP_RefusesWhatIsNoAddress(t *testing.T) {
	for _, target := range []string{"", "db", ":5432", "db:", "db:postgres", "db:0", "db:70000", "http://db:80", "db:5432/x"} {
		if _, err := health.TCP(target); err == nil {
			t.Errorf("%q is taken", target)
		}
	}
	for _, target := range []string{"db:5432", "127.0.0.1:1", "[::1]:5432"} {
		if _, err := health.TCP(target); err != nil {
			t.Errorf("%q: %v", target, err)
		}
	}
}
