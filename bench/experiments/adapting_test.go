package experiments_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/elixirscope/foundation/internal/plot"
)

// adaptingContenders are the bounds that need no number, beside the right one.
func adaptingContenders() []contender {
	return []contender{
		concurrency(bound), gradient2(), vegas(), aimd(), publishedGradient2(), failsafeAdaptive(), goZeroShedder(), codelLIFO(places),
	}
}

// How near does a bound that finds its own number come to one that was chosen well?
func TestAdapting_Goodput(t *testing.T) {
	s := steady{5 * time.Second, 2 * time.Second, 5 * time.Second, []float64{0.8, 1, 2}, 1}
	if *write {
		s = steady{20 * time.Second, 10 * time.Second, 30 * time.Second, []float64{0.2, 0.4, 0.6, 0.8, 0.9, 1, 1.1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3}, 2}
	}
	contenders := adaptingContenders()
	rows := [][]string{{"contender", "offered", "goodput", "p99_seconds", "refused", "late"}}
	results := map[string][]summary{}
	for _, c := range contenders {
		for _, load := range s.loads {
			r := s.run(t, c, load, every, critical, bulk)
			results[c.name] = append(results[c.name], r...)
			rows = append(rows, []string{c.name, fmt.Sprint(load), exact(r[0].goodput), exact(r[0].p99.Seconds()), exact(r[0].refused), exact(r[0].late)})
		}
	}
	data(t, "adaptive-goodput", rows)
	f := goodputFigure(contenders, s.loads, results)
	f.Title, f.Alt = "Goodput of bounds that adapt", "From 0.2 to 3 times the capacity every adaptive bound but the shedder of go-zero stays within a few percent of a fixed bound that was chosen well."
	f.Charts = f.Charts[:3]
	figure(t, "adaptive-goodput", f)
	table(t, "adaptive-goodput", goodputTable(contenders, s.loads, results))
	for i, load := range s.loads {
		if r := results[gradient2().name][3*i]; r.goodput/min(load, 1) < 0.93 || r.late > 0.02 {
			t.Errorf("gradient2 at %v: %+v", load, r)
		}
	}
}

// change is a scenario in which something about the upstream or the load changes for a while.
type change struct {
	name string
	scenario
	within phase
}

// changes have a usual phase, one that differs, and the usual one again.
func changes() []change {
	list := []change{
		{name: "half the places, at a load of 1.4", within: phase{bulk: 1.4, places: places / 2}},
		{name: "half as fast, at a load of 0.8", within: phase{bulk: 0.8, slower: 2}},
		{name: "30 ms more on the way, at a load of 0.8", within: phase{bulk: 0.8, delay: 30 * time.Millisecond}},
	}
	for i := range list {
		c := &list[i]
		before, within, after := phase{bulk: c.within.bulk, lasts: 4 * time.Second}, c.within, phase{bulk: c.within.bulk, lasts: 3 * time.Second}
		within.lasts = 6 * time.Second
		c.step, c.seeds = 500*time.Millisecond, 1
		if *write {
			before.lasts, within.lasts, after.lasts, c.step, c.seeds = 20*time.Second, 40*time.Second, 20*time.Second, time.Second, 5
		}
		c.phases = []phase{before, within, after}
	}
	return list
}

// bursts is a load of half the capacity, and of three times that for a fifth of a second every two.
func bursts() scenario {
	s := scenario{step: 500 * time.Millisecond, seeds: 1}
	n := 3
	if *write {
		s.seeds, n = 5, 20
	}
	for range n {
		s.phases = append(s.phases, phase{lasts: 1800 * time.Millisecond, bulk: 0.5}, phase{lasts: 200 * time.Millisecond, bulk: 3})
	}
	return s
}

// How do they take a capacity that halves, an upstream that is slow, a latency that is not load, and bursts?
func TestAdapting_ToChanges(t *testing.T) {
	head := []string{""}
	raw := [][]string{{"contender", "scenario", "until_seconds", "goodput"}}
	var charts []plot.Chart
	for _, c := range changes() {
		head = append(head, c.name+": goodput of possible", "p99", "afterwards")
		charts = append(charts, stepChart(c.name, c.scenario))
	}
	rows := [][]string{append(head, "bursts: answered", "p99")}
	for _, con := range adaptingContenders() {
		row := []string{con.name}
		for i, c := range changes() {
			var all []*call
			var runs [][]float64
			c.run(t, con, func(calls []*call) {
				all = append(all, calls...)
				runs = append(runs, overTime(calls, c.length(), c.step))
			})
			goodput := mean(runs)
			from := c.phases[0].lasts
			within := summarize(all, from, from+c.phases[1].lasts, every)
			row = append(row, percent(c.delivered(goodput, 1)), fmt.Sprintf("%.0f ms", within.p99.Seconds()*1000), percent(c.delivered(goodput, 2)))
			line := plot.Line{Name: con.name, Color: con.color}
			for k, v := range goodput {
				until := (time.Duration(k+1) * c.step).Seconds()
				line.X, line.Y = append(line.X, until), append(line.Y, v)
				raw = append(raw, []string{con.name, c.name, fmt.Sprint(until), exact(v)})
			}
			charts[i].Lines = append(charts[i].Lines, line)
			if d := c.delivered(goodput, 1); con.name == gradient2().name && d < 0.75 {
				t.Errorf("%s: gradient2 delivers %.3f of what is possible", c.name, d)
			}
		}
		var all []*call
		bursts().run(t, con, func(calls []*call) { all = append(all, calls...) })
		r := summarize(all, 0, bursts().length(), every)
		rows = append(rows, append(row, percent(r.success), fmt.Sprintf("%.0f ms", r.p99.Seconds()*1000)))
	}
	data(t, "adaptive-changes", raw)
	figure(t, "adaptive-changes", plot.Figure{
		Title:  "Goodput of bounds that adapt, while the upstream changes",
		Alt:    "Gradient2 is back near what is possible within seconds of each change; Vegas and AIMD fall far below it when the upstream is half as fast.",
		Charts: charts,
	})
	table(t, "adaptive-changes", rows)
}

// Does lasting overload become normal?
func TestAdapting_LastingOverload(t *testing.T) {
	lasts, last := 30*time.Second, 10*time.Second
	if *write {
		lasts, last = 10*time.Minute, time.Minute
	}
	rows := [][]string{{"", "goodput in the first minute", "p99", "goodput in the last minute", "p99"}}
	for _, c := range adaptingContenders() {
		calls := trial{c, []phase{{lasts: lasts, bulk: 1.2}}, 1}.run(t)
		first, end := summarize(calls, 0, last, every), summarize(calls, lasts-last, lasts, every)
		rows = append(rows, []string{c.name, percent(first.goodput), fmt.Sprintf("%.0f ms", first.p99.Seconds()*1000), percent(end.goodput), fmt.Sprintf("%.0f ms", end.p99.Seconds()*1000)})
		if c.name == gradient2().name && (end.goodput < 0.95 || end.p99 > 90*time.Millisecond) {
			t.Errorf("gradient2 after a long overload: %+v", end)
		}
	}
	table(t, "adaptive-drift", rows)
}

// What do the critical calls notice of a spike of bulk, when each priority may use a share?
func TestAdapting_SpikeOfBulk(t *testing.T) {
	s := spike()
	begin, end := s.phases[0].lasts, s.phases[0].lasts+s.phases[1].lasts
	rows := [][]string{{"", "critical calls answered before", "during the spike", "p99 of them", "bulk calls answered before", "during the spike", "goodput during the spike, of capacity"}}
	for _, c := range []contender{
		inShares(gradient2()), inShares(vegas()), inShares(aimd()), reserved(60, 20), concurrency(bound), failsafeAdaptive(), goZeroShedder(), codelLIFO(places),
	} {
		var all []*call
		s.run(t, c, func(calls []*call) { all = append(all, calls...) })
		before, during := summarize(all, 0, begin, critical), summarize(all, begin, end, critical)
		rows = append(rows, []string{
			c.name, hundredths(before.success), hundredths(during.success), fmt.Sprintf("%.0f ms", during.p99.Seconds()*1000),
			percent(summarize(all, 0, begin, bulk).success), percent(summarize(all, begin, end, bulk).success),
			percent(summarize(all, begin, end, every).goodput / float64(s.seeds)),
		})
		if c.name == inShares(gradient2()).name && during.success < 0.99 {
			t.Errorf("gradient2 in shares: %+v", during)
		}
	}
	table(t, "adaptive-spike", rows)
}
