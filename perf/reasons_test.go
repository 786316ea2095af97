package perf_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/perf"
	"github.com/elixirscope/foundation/telemetry"
)

// counter is a part that splits what fails and what it refuses.
type counter struct{ failed, slow, refused atomic.Uint64 }

func (c *counter) source(name string) perf.Source {
	return perf.Source{
		Name: name, Kind: "guard", Part: c,
		Reasons: []telemetry.Reason{{Of: "failed", Name: "call_timeout"}, {}, {Of: "refused", Name: "rate_limited"}},
		Read: func(into *telemetry.Calls, _ uint64) uint64 {
			into.Failed, into.Refused = c.failed.Load(), c.refused.Load()
			into.Reasons[0], into.Reasons[2] = c.slow.Load(), c.refused.Load()
			return 0
		},
	}
}

func reasonsOf(t *testing.T, m *perf.Monitor, name string, window time.Duration) []string {
	t.Helper()
	s, err := m.OperationStatus(name, window)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, r := range s.Reasons {
		list = append(list, fmt.Sprintf("%s %s %d", r.Of, r.Name, r.Calls))
	}
	return list
}

// What ended without success is known by its reasons, for windows of the last minutes, and of
// every part apart: one that lists no reasons has none, whatever was pulled before it.
func TestMonitor_KnowsTheReasonsOfTheLastMinutes(t *testing.T) {
	run(t, perf.Config{}, perf.Options{}, func(k *kit) {
		part := new(counter)
		part.refused.Add(1000) // before anybody looked
		k.m.Follow("parts", []perf.Source{part.source("a")})
		plain := k.m.Operation("plain")
		want := func(window time.Duration, list ...string) {
			k.Helper()
			if got := reasonsOf(k.T, k.m, "a", window); !slices.Equal(got, list) {
				k.Errorf("in %v: %q, want %q", window, got, list)
			}
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		want(time.Minute)
		for range 50 { // one, and two, every ten seconds
			part.failed.Add(2)
			part.slow.Add(1)
			part.refused.Add(2)
			plain.Record(0, 1)
			time.Sleep(10 * time.Second)
		}
		synctest.Wait()
		want(time.Minute, "failed call_timeout 6", "refused rate_limited 12")
		want(10*time.Second, "failed call_timeout 1", "refused rate_limited 2")
		want(perf.ReasonsKept, "failed call_timeout 30", "refused rate_limited 60")
		want(time.Hour, "failed call_timeout 30", "refused rate_limited 60")
		if got := reasonsOf(k.T, k.m, "op:plain", time.Hour); got != nil {
			k.Errorf("of a part without reasons: %q", got)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		want(50 * time.Second)
		time.Sleep(time.Hour)
		part.slow.Add(7)
		part.failed.Add(7)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		want(time.Hour, "failed call_timeout 7")
	})
}

// A part in the place of another keeps what is known of it, unless it counts other reasons.
func TestMonitor_APartWithOtherReasonsBeginsAnew(t *testing.T) {
	run(t, perf.Config{}, perf.Options{}, func(k *kit) {
		first, second := new(counter), new(counter)
		k.m.Follow("parts", []perf.Source{first.source("a")})
		time.Sleep(2 * time.Second)
		first.refused.Add(3)
		time.Sleep(2 * time.Second)
		k.m.Follow("parts", []perf.Source{second.source("a")})
		synctest.Wait()
		if got := reasonsOf(k.T, k.m, "a", time.Minute); !slices.Equal(got, []string{"refused rate_limited 3"}) {
			k.Errorf("%q", got)
		}
		other := first.source("a")
		other.Part, other.Reasons = k, []telemetry.Reason{{Of: "failed", Name: "dns"}, {Of: "failed", Name: "tls"}, {Of: "failed", Name: "eof"}}
		k.m.Follow("parts", []perf.Source{other})
		if got := reasonsOf(k.T, k.m, "a", time.Minute); got != nil {
			k.Errorf("%q", got)
		}
	})
}
