package redistest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/elixirscope/foundation/internal/testkit"
)

// patience is how long the helpers of tests wait for a server to get ready.
const patience = time.Minute

// Running returns a running server with the given settings, which ends with the test.
// Where there is none on this machine, suite is reported as one that could not run.
func Running(tb testing.TB, suite string, args ...string) *Server {
	tb.Helper()
	s, err := New(args...)
	if errors.Is(err, ErrMissing) {
		testkit.Missing(tb, suite, err.Error())
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Remove(); err != nil {
			tb.Error(err)
		}
	})
	Restart(tb, s)
	return s
}

// Restart starts a server that was killed, at the same port and empty; one that runs is killed first.
func Restart(tb testing.TB, s *Server) {
	tb.Helper()
	s.Kill()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Start(ctx); err != nil {
		tb.Fatal(err)
	}
}

// Run sends a command to a server and returns the answer as [Server.Do] does; an error
// ends the test.
func Run(tb testing.TB, s *Server, args ...string) string {
	tb.Helper()
	got, err := s.Do(context.Background(), args...)
	if err != nil {
		tb.Fatalf("%s: %v", strings.Join(args, " "), err)
	}
	return got
}

// Await waits until the answer to a command contains a text.
func Await(tb testing.TB, s *Server, text string, args ...string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := poll(ctx, nil, func() error {
		got, err := s.Do(ctx, args...)
		if err == nil && !strings.Contains(got, text) {
			err = fmt.Errorf("%s is answered without %q: %s", strings.Join(args, " "), text, got)
		}
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
}

// Replica returns a running server that replicates another one and has caught up with it.
// For a fail-over send it REPLICAOF NO ONE.
func Replica(tb testing.TB, suite string, of *Server, args ...string) *Server {
	tb.Helper()
	s := Running(tb, suite, append([]string{"--replicaof", "127.0.0.1 " + strconv.Itoa(of.Port())}, args...)...)
	Await(tb, s, "master_link_status:up", "INFO", "replication")
	return s
}

// sentinelConfig is the file that a Sentinel keeps what it knows in.
const sentinelConfig = "sentinel.conf"

// Sentinel returns a running Sentinel that watches a server under the name "main" and
// makes one of its replicas the primary half a second after it has gone. One is its
// own majority.
func Sentinel(tb testing.TB, suite string, primary *Server) *Server {
	tb.Helper()
	s, err := New(sentinelConfig)
	if errors.Is(err, ErrMissing) {
		testkit.Missing(tb, suite, err.Error())
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Remove(); err != nil {
			tb.Error(err)
		}
	})
	text := fmt.Sprintf("port %d\nbind 127.0.0.1\ndir %q\nsentinel monitor main 127.0.0.1 %d 1\nsentinel down-after-milliseconds main 500\nsentinel failover-timeout main 3000\n",
		s.Port(), s.dir, primary.Port())
	if err := os.WriteFile(filepath.Join(s.dir, sentinelConfig), []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	Restart(tb, s)
	Await(tb, s, "status=ok", "INFO", "sentinel")
	return s
}

// slots is how many hash slots the keys of a cluster are spread over.
const slots = 16384

// Cluster returns the running servers of a cluster: so many primaries, with so many
// replicas each, primaries first. One primary makes a cluster of one node.
func Cluster(tb testing.TB, suite string, primaries, replicas int) []*Server {
	tb.Helper()
	all := make([]*Server, primaries*(1+replicas))
	for i := range all {
		bus, err := testkit.FreePort()
		if err != nil {
			tb.Fatal(err)
		}
		all[i] = Running(tb, suite, "--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(bus), "--cluster-node-timeout", "2000")
		Run(tb, all[0], "CLUSTER", "MEET", "127.0.0.1", strconv.Itoa(all[i].Port()), strconv.Itoa(bus))
	}
	for i, s := range all[:primaries] {
		Run(tb, s, "CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(i*slots/primaries), strconv.Itoa((i+1)*slots/primaries-1))
		Await(tb, s, "cluster_known_nodes:"+strconv.Itoa(len(all)), "CLUSTER", "INFO")
	}
	for i, s := range all[primaries:] {
		of := Run(tb, all[i%primaries], "CLUSTER", "MYID")
		Await(tb, s, of, "CLUSTER", "NODES")
		Run(tb, s, "CLUSTER", "REPLICATE", of)
		Await(tb, s, "master_link_status:up", "INFO", "replication")
	}
	for _, s := range all {
		Await(tb, s, "cluster_state:ok", "CLUSTER", "INFO")
	}
	return all
}
