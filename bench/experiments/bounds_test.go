package experiments_test

import (
	"fmt"
	"testing"
	"time"
)

// How much depends on the numbers that the operator has chosen?
func TestTheNumbersMatter(t *testing.T) {
	s := steady{time.Second, 2 * time.Second, 5 * time.Second, []float64{0.8, 1, 2}, 1}
	if *write {
		s.learns, s.settles, s.lasts, s.seeds = 20*time.Second, 10*time.Second, 30*time.Second, 2
	}
	rows := [][]string{{"", "goodput at 0.8×", "at 1×", "at 2×", "p99 at 2×"}}
	raw := [][]string{{"contender", "offered", "goodput", "p99_seconds", "refused", "late"}}
	var goodput []float64 // at 2×
	for _, c := range []contender{
		concurrency(10), concurrency(20), concurrency(40), concurrency(60), concurrency(80), concurrency(100), concurrency(200),
		rateLimit(capacity, capacity), rateLimit(capacity, burst), rateLimit(0.95*capacity, burst), rateLimit(0.9*capacity, capacity), rateLimit(0.9*capacity, burst),
	} {
		row := []string{c.name}
		var r summary
		for _, load := range s.loads {
			r = s.run(t, c, load, every)[0]
			row = append(row, percent(r.goodput))
			raw = append(raw, []string{c.name, fmt.Sprint(load), exact(r.goodput), exact(r.p99.Seconds()), exact(r.refused), exact(r.late)})
		}
		rows = append(rows, append(row, fmt.Sprintf("%.0f ms", r.p99.Seconds()*1000)))
		goodput = append(goodput, r.goodput)
	}
	data(t, "bounds", raw)
	table(t, "bounds", rows)
	if goodput[2] < 0.9 || goodput[6] > 0.5 {
		t.Errorf("at twice the capacity: %v with 40 calls in flight, %v with 200", goodput[2], goodput[6])
	}
}
