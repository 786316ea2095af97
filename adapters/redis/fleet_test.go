package redis_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/redistest"
	"github.com/elixirscope/foundation/ratelimit/shared"
)

func TestInstancesHearOfEachOther(t *testing.T) {
	cluster, node := oneNode(t)
	one := single(t)
	for address, server := range map[string]*redistest.Server{one.URL(): one, cluster: node} {
		a, b := open(t, address, "fleet"), open(t, address, "fleet")
		started := time.Date(2026, 1, 2, 3, 4, 5, 678_000, time.UTC)
		first := shared.Instance{ID: "a{1}\n", Node: "n", Address: "127.0.0.1:9181", Version: "1.2.3", Revision: 7, Hash: "h", Verdict: "ok", Started: started}
		beat := func(s shared.Fleet, self shared.Instance, ttl time.Duration, want ...string) []shared.Instance {
			t.Helper()
			all, err := s.Beat(t.Context(), self, ttl)
			var ids []string
			for _, i := range all {
				ids = append(ids, i.ID)
			}
			if err != nil || !slices.Equal(ids, want) {
				t.Fatalf("%q, %v; want %q", ids, err, want)
			}
			return all
		}
		all := beat(a, first, time.Minute, first.ID)
		if seen := all[0].Seen; seen.IsZero() || time.Since(seen).Abs() > time.Hour {
			t.Error(seen)
		}
		all[0].Seen = time.Time{}
		if all[0] != first {
			t.Errorf("%+v came back as %+v", first, all[0])
		}
		beat(b, shared.Instance{ID: "b"}, 24*time.Hour, first.ID, "b")
		first.Verdict = "degraded"
		if all = beat(a, first, time.Minute, first.ID, "b"); all[0].Verdict != "degraded" {
			t.Error(all)
		}
		beat(b, shared.Instance{ID: "brief"}, time.Millisecond, first.ID, "b", "brief")
		awaitGone(t, a, first, "brief")
		if err := b.Leave(t.Context(), "b"); err != nil {
			t.Fatal(err)
		}
		beat(a, first, time.Minute, first.ID)
		if got := redistest.Run(t, server, "PTTL", "fleet:{instances}"); len(got) != len("60000") {
			t.Errorf("the hash expires in %s ms", got)
		}
		redistest.Run(t, server, "HSET", "fleet:{instances}", "theirs", "text")
		beat(a, first, time.Minute, first.ID)
	}
}

// awaitGone beats until an instance whose time is over is no longer listed.
func awaitGone(t *testing.T, s shared.Fleet, self shared.Instance, id string) {
	t.Helper()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for {
		all, err := s.Beat(t.Context(), self, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(all, func(i shared.Instance) bool { return i.ID == id }) {
			return
		}
		<-ticker.C
	}
}

func TestBeatsThatCannotBe(t *testing.T) {
	server := single(t)
	s := open(t, server.URL(), "fleet")
	if _, err := s.Beat(t.Context(), shared.Instance{}, time.Minute); !errors.Is(err, fault.InvalidArgument) {
		t.Error(err)
	}
	if _, err := s.Beat(t.Context(), shared.Instance{ID: "a"}, 0); !errors.Is(err, fault.InvalidArgument) {
		t.Error(err)
	}
	redistest.Run(t, server, "SET", "fleet:{instances}", "text")
	if _, err := s.Beat(t.Context(), shared.Instance{ID: "a"}, time.Minute); !errors.Is(err, fault.DataCorrupt) || !strings.Contains(err.Error(), "WRONGTYPE") {
		t.Error(err)
	}
	if err := s.Leave(t.Context(), "a"); !errors.Is(err, fault.DataCorrupt) {
		t.Error(err)
	}
}
