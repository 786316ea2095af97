package perf_test

import (
	"testing"
	"time"

	"github.com/elixirscope/foundation/perf"
)

// What is old is given up, and asked for it the monitor says that it does not know, not that
// there were no calls; what is recent stays exact.
func TestMonitor_TrimKeepsTheLastTenMinutes(t *testing.T) {
	run(t, perf.Config{}, perf.Options{}, func(k *kit) {
		k.seconds(3000, map[string]traffic{"a": {rate: 2, median: time.Millisecond}})
		now := time.Now()
		recent := func() perf.Counts {
			s, err := k.m.Window("op:a", now.Add(-9*time.Minute), now)
			if err != nil {
				t.Fatal(err)
			}
			return s.Counts
		}
		before := recent()
		if n := k.m.Trim(); n < 5000 {
			t.Errorf("%d bytes were given up", n)
		}
		if after := recent(); after != before || after.Succeeded < 500 {
			t.Errorf("the last nine minutes were %+v and are %+v", before, after)
		}
		all, err := k.m.Window("op:a", now.Add(-time.Hour), now)
		if err != nil || now.Sub(all.From) > 11*time.Minute || all.Counts.Succeeded > 2*before.Succeeded {
			t.Errorf("the last hour is %+v since %v, %v", all.Counts, all.From, err)
		}
		if n := k.m.Trim(); n != 0 {
			t.Errorf("%d bytes were given up once more", n)
		}
		k.seconds(60, map[string]traffic{"a": {rate: 2, median: time.Millisecond}})
		if s, err := k.m.Snapshot("op:a"); err != nil || s.Counts.Succeeded < 5500 {
			t.Errorf("since the start: %+v, %v", s.Counts, err)
		}
	})
}
