package redistest_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/elixirscope/foundation/internal/redistest"
	"github.com/elixirscope/foundation/internal/testkit"
)

const suite = "internal/redistest"

func TestAServerIsKilledStoppedAndStartedAgain(t *testing.T) {
	s := redistest.Running(t, suite, "--maxmemory", "2mb")
	redistest.Run(t, s, "SET", "k", "v\r\n")
	if got := redistest.Run(t, s, "GET", "k"); got != "v\r\n" {
		t.Errorf("%q", got)
	}
	if got := redistest.Run(t, s, "CONFIG", "GET", "maxmemory"); got != "maxmemory\n2097152" {
		t.Errorf("%q", got)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.Addr()) // the kernel still answers for it
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(100 * time.Millisecond))
	_, _ = conn.Write([]byte("PING\r\n"))
	var timeout net.Error
	if _, err := conn.Read(make([]byte, 1)); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("a stopped server answers: %v", err)
	}
	cancel()
	_ = conn.Close()
	if err := s.Continue(); err != nil {
		t.Fatal(err)
	}
	redistest.Run(t, s, "PING")
	s.Kill()
	if _, err := s.Do(t.Context(), "PING"); err == nil {
		t.Error("a killed server answers")
	}
	redistest.Restart(t, s)
	if got := redistest.Run(t, s, "GET", "k"); got != "" {
		t.Errorf("kept %q", got)
	}
	if _, err := s.Do(t.Context(), "NONSENSE"); err == nil || !strings.Contains(err.Error(), "unknown command") {
		t.Error(err)
	}
}

func TestAClusterOfOneNode(t *testing.T) {
	c := redistest.Cluster(t, suite, 1, 0)
	if got := redistest.Run(t, c[0], "CLUSTER", "INFO"); !strings.Contains(got, "cluster_slots_ok:16384") {
		t.Error(got)
	}
}

func TestAClusterOfThreeAndThree(t *testing.T) {
	if !testkit.Proving() {
		return // takes seconds; make prove
	}
	c := redistest.Cluster(t, suite, 3, 1)
	if got := redistest.Run(t, c[5], "CLUSTER", "INFO"); !strings.Contains(got, "cluster_size:3") || !strings.Contains(got, "cluster_known_nodes:6") {
		t.Error(got)
	}
}

func TestASentinelFailsOver(t *testing.T) {
	primary := redistest.Running(t, suite)
	replica := redistest.Replica(t, suite, primary)
	sentinel := redistest.Sentinel(t, suite, primary)
	redistest.Run(t, primary, "SET", "k", "v")
	redistest.Await(t, replica, "v", "GET", "k")
	redistest.Await(t, sentinel, "slaves=1", "INFO", "sentinel")
	primary.Kill()
	redistest.Await(t, replica, "role:master", "INFO", "replication")
	if got := redistest.Run(t, replica, "SET", "k", "w"); got != "OK" {
		t.Error(got)
	}
}
