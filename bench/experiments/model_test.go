package experiments_test

import (
	"math"
	"testing"
	"time"
)

// The model is a queue that theory knows. What it says of refusals and of the wait must come
// out of the whole machinery: arrivals, upstream, guard and summary.

// A bound of as many calls as there are places refuses what Erlang's formula B says: 21.5 % of
// an offered load of 1.
func TestModel_RefusesAsErlangB(t *testing.T) {
	calls := trial{concurrency(places), []phase{{lasts: 32 * time.Second, bulk: 1}}, 3}.run(t)
	got := summarize(calls, 2*time.Second, 32*time.Second, every)
	if want := erlangB(places, places); math.Abs(got.refused-want) > 0.02 {
		t.Errorf("refused %.3f, and theory says %.3f", got.refused, want)
	}
}

// Without protection a call waits as long as Erlang's formula C says: 2 ms at a load of 0.8.
func TestModel_WaitsAsErlangC(t *testing.T) {
	const load = 0.8
	calls := trial{nothing(), []phase{{lasts: 62 * time.Second, bulk: load}}, 4}.run(t)
	var waited time.Duration
	n := 0
	for _, c := range calls {
		if c.at > 2*time.Second {
			waited += c.took - min(c.takes, c.took)
			n++
		}
	}
	b := erlangB(places, places*load)
	c := b / (1 - load*(1-b)) // the share of calls that have to wait
	got, want := waited.Seconds()/float64(n), c/(capacity*(1-load))
	if math.Abs(got-want) > 0.2*want {
		t.Errorf("waits %.2f ms, and theory says %.2f ms", got*1000, want*1000)
	}
}

func erlangB(places int, load float64) float64 {
	b := 1.0
	for i := 1; i <= places; i++ {
		b = load * b / (float64(i) + load*b)
	}
	return b
}
