package experiments_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/elixirscope/foundation/internal/plot"
)

// share is the share of critical calls where an experiment is not about it.
const share = 0.3

// steady is one load for a while, after a time of at most half the capacity in which a
// contender that learns can learn, and one in which the queue finds its length.
type steady struct {
	learns, settles, lasts time.Duration
	loads                  []float64
	seeds                  uint64
}

func (s steady) run(t *testing.T, c contender, load float64, which ...func(*call) bool) []summary {
	t.Helper()
	all := make([]summary, len(which))
	var calls []*call
	for seed := range s.seeds {
		calls = append(calls, trial{c, []phase{mixed(s.learns, min(load, 0.5)), mixed(s.settles+s.lasts, load)}, seed + 1}.run(t)...)
	}
	for i, w := range which {
		all[i] = summarize(calls, s.learns+s.settles, s.learns+s.settles+s.lasts, w)
		all[i].goodput /= float64(s.seeds)
	}
	return all
}

func mixed(lasts time.Duration, load float64) phase {
	return phase{lasts: lasts, critical: share * load, bulk: (1 - share) * load}
}

func goodputContenders() []contender {
	return []contender{
		nothing(), nothingNoticed(), breakerOnly(), tight(), rateLimit(0.9*capacity, burst),
		concurrency(bound), reserved(60, 20), failsafeAdaptive(),
	}
}

// tight is a rate limit of exactly the capacity.
func tight() contender {
	c := rateLimit(capacity, burst)
	c.color = 4
	return c
}

// How much of its capacity does a service deliver when it is offered 0.2 to 3 times that?
func TestGoodputAgainstOfferedLoad(t *testing.T) {
	s := steady{time.Second, 2 * time.Second, 5 * time.Second, []float64{0.5, 1, 2}, 1}
	if *write {
		s = steady{20 * time.Second, 10 * time.Second, 30 * time.Second, []float64{0.2, 0.4, 0.6, 0.8, 0.9, 1, 1.1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3}, 2}
	}
	rows := [][]string{{"contender", "offered", "goodput", "p99_seconds", "refused", "late", "critical_success", "bulk_success"}}
	results := map[string][]summary{}
	for _, c := range goodputContenders() {
		for _, load := range s.loads {
			r := s.run(t, c, load, every, critical, bulk)
			results[c.name] = append(results[c.name], r...)
			rows = append(rows, []string{
				c.name, fmt.Sprint(load), exact(r[0].goodput), exact(r[0].p99.Seconds()), exact(r[0].refused), exact(r[0].late), exact(r[1].success), exact(r[2].success),
			})
		}
	}
	data(t, "goodput", rows)
	figure(t, "goodput", goodputFigure(goodputContenders(), s.loads, results))
	table(t, "goodput", goodputTable(goodputContenders(), s.loads, results))
	expectGoodput(t, s.loads, results)
}

func goodputFigure(contenders []contender, loads []float64, results map[string][]summary) plot.Figure {
	x := plot.Axis{Label: "offered load, in multiples of the capacity", Max: 3}
	percent := func(label string) plot.Axis { return plot.Axis{Label: label, Max: 1.05, Percent: true} }
	goodput := plot.Chart{Title: "Goodput: calls answered within 100 ms", X: x, Y: percent("of capacity"), Height: 260}
	goodput.Lines = append(goodput.Lines, plot.Line{Name: "min(offered, capacity)", X: []float64{0, 1, 3}, Y: []float64{0, 1, 1}, Reference: true})
	p99 := plot.Chart{Title: "p99 of the calls that were admitted", X: x, Y: plot.Axis{Label: "ms", Max: 105}}
	refusals := plot.Chart{Title: "Refused at once", X: x, Y: percent("of calls")}
	ofCritical := plot.Chart{Title: "Success of the 30 % of calls that are critical", X: x, Y: percent("of critical calls")}
	for _, c := range contenders {
		lines := [4]plot.Line{}
		for i, load := range loads {
			all, crit := results[c.name][3*i], results[c.name][3*i+1]
			for k, y := range []float64{all.goodput, float64(all.p99) / float64(time.Millisecond), all.refused, crit.success} {
				lines[k].X, lines[k].Y = append(lines[k].X, load), append(lines[k].Y, y)
			}
		}
		for k, p := range []*plot.Chart{&goodput, &p99, &refusals, &ofCritical} {
			lines[k].Name, lines[k].Color = c.name, c.color
			p.Lines = append(p.Lines, lines[k])
		}
	}
	return plot.Figure{
		Title:  "Goodput against offered load",
		Alt:    "Without protection goodput falls to nothing above the capacity; with a bound on concurrency it stays near the capacity up to three times the load.",
		Charts: []plot.Chart{goodput, p99, refusals, ofCritical},
	}
}

func goodputTable(contenders []contender, loads []float64, results map[string][]summary) [][]string {
	rows := [][]string{{"", "goodput at 0.8×", "at 1×", "at 1.4×", "at 2×", "at 3×", "lowest share of min(offered, capacity)", "p99 at 2×", "critical calls answered at 2×"}}
	for _, c := range contenders {
		row := []string{c.name}
		lowest, p99, crit := 1.0, "", ""
		for i, load := range loads {
			all := results[c.name][3*i]
			lowest = min(lowest, all.goodput/min(load, 1))
			switch load {
			case 0.8, 1, 1.4, 3:
				row = append(row, percent(all.goodput))
			case 2:
				row = append(row, percent(all.goodput))
				p99, crit = fmt.Sprintf("%.0f ms", all.p99.Seconds()*1000), percent(results[c.name][3*i+1].success)
			}
		}
		rows = append(rows, append(row, percent(lowest), p99, crit))
	}
	return rows
}

func expectGoodput(t *testing.T, loads []float64, results map[string][]summary) {
	t.Helper()
	none, bounded, classes := results[nothing().name], results[concurrency(bound).name], results[reserved(60, 20).name]
	for i, load := range loads {
		if share := bounded[3*i].goodput / min(load, 1); share < 0.9 {
			t.Errorf("bounded concurrency delivers %.3f of what is possible at %v", share, load)
		}
		if load >= 1.4 && (none[3*i].goodput > 0.3 || none[3*i].refused > 0) {
			t.Errorf("no protection: %+v at %v", none[3*i], load)
		}
		if bounded[3*i].late > 0.01 || bounded[3*i].p99 >= deadline {
			t.Errorf("bounded concurrency: %+v at %v", bounded[3*i], load)
		}
		if classes[3*i+1].success < 0.95 && load <= 2 {
			t.Errorf("with places that bulk cannot take, %.4f of the critical calls are answered at %v", classes[3*i+1].success, load)
		}
	}
}
