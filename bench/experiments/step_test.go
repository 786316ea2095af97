package experiments_test

import (
	"cmp"
	"fmt"
	"testing"
	"time"

	"github.com/elixirscope/foundation/internal/plot"
)

// scenario is a load that changes, repeated with several seeds.
type scenario struct {
	phases []phase
	step   time.Duration // of time, in the data and the picture
	seeds  uint64
}

func (s scenario) length() (all time.Duration) {
	for _, p := range s.phases {
		all += p.lasts
	}
	return all
}

// possible is the goodput that a phase allows, in multiples of the usual capacity.
func (p phase) possible() float64 {
	return min(p.offered(), float64(cmp.Or(p.places, places))/places/max(p.slower, 1))
}

func (s scenario) run(t *testing.T, c contender, each func([]*call)) {
	t.Helper()
	for seed := range s.seeds {
		each(trial{c, s.phases, seed + 1}.run(t))
	}
}

// goodput is the mean over the seeds of the goodput of each step of time.
func (s scenario) goodput(t *testing.T, c contender) []float64 {
	t.Helper()
	var runs [][]float64
	s.run(t, c, func(calls []*call) { runs = append(runs, overTime(calls, s.length(), s.step)) })
	return mean(runs)
}

// recovery is how long after the beginning of a phase the goodput is again at 95 % of what the phase
// allows, and stays there until its end; false, if it does not within the phase.
func (s scenario) recovery(goodput []float64, phase int) (time.Duration, bool) {
	first, last := s.steps(phase)
	for i := last - 1; i >= first; i-- {
		if goodput[i] < 0.95*s.phases[phase].possible() {
			return time.Duration(i+1-first) * s.step, i < last-1
		}
	}
	return 0, true
}

// delivered is the goodput of a phase as a share of what it allows.
func (s scenario) delivered(goodput []float64, phase int) (share float64) {
	first, last := s.steps(phase)
	for _, v := range goodput[first:last] {
		share += v / float64(last-first) / s.phases[phase].possible()
	}
	return share
}

// steps are those of a phase.
func (s scenario) steps(phase int) (first, last int) {
	var from time.Duration
	for _, p := range s.phases[:phase] {
		from += p.lasts
	}
	return int(from / s.step), int((from + s.phases[phase].lasts) / s.step)
}

// loadStep is a load of 0.8, then 1.4, then 0.8 again.
func loadStep() scenario {
	s := scenario{[]phase{{lasts: 3 * time.Second, bulk: 0.8}, {lasts: 4 * time.Second, bulk: 1.4}, {lasts: 3 * time.Second, bulk: 0.8}}, 500 * time.Millisecond, 1}
	if *write {
		s.phases[0].lasts, s.phases[1].lasts, s.phases[2].lasts, s.seeds = 20*time.Second, 20*time.Second, 60*time.Second, 10
	}
	return s
}

// slowdown is a load of 0.8 throughout, while service takes twice as long for some time.
func slowdown() scenario {
	s := loadStep()
	s.phases[1].bulk, s.phases[1].slower = 0.8, 2
	return s
}

func stepContenders() []contender {
	return []contender{nothing(), breakerOnly(), rateLimit(0.9*capacity, burst), concurrency(bound), failsafeAdaptive()}
}

// How soon does a service deliver again what it can when its load steps up, or its upstream slows down?
func TestStep(t *testing.T) {
	load, slow := loadStep(), slowdown()
	rows := [][]string{{
		"", "load 1.4×: goodput of possible", "back to 95 % after", "load 0.8× again: after",
		"upstream half as fast: goodput of possible", "back to 95 % after", "as fast again: after",
	}}
	raw := [][]string{{"contender", "scenario", "until_seconds", "goodput"}}
	charts := []plot.Chart{
		stepChart("0.8, then 1.4, then 0.8 times the capacity offered", load), stepChart("0.8 times the capacity offered, while the upstream is half as fast", slow),
	}
	for _, c := range stepContenders() {
		row := []string{c.name}
		for i, s := range []scenario{load, slow} {
			goodput := s.goodput(t, c)
			row = append(row, percent(s.delivered(goodput, 1)), s.recovered(goodput, 1), s.recovered(goodput, 2))
			line := plot.Line{Name: c.name, Color: c.color}
			for k, v := range goodput {
				until := (time.Duration(k+1) * s.step).Seconds()
				line.X, line.Y = append(line.X, until), append(line.Y, v)
				raw = append(raw, []string{c.name, []string{"load", "slowdown"}[i], fmt.Sprint(until), exact(v)})
			}
			charts[i].Lines = append(charts[i].Lines, line)
		}
		rows = append(rows, row)
	}
	data(t, "step", raw)
	figure(t, "step", plot.Figure{
		Title:  "Goodput when the load steps up, and when the upstream slows down",
		Alt:    "Without protection goodput falls to nothing and stays there until the queue is worked off; with a bound on concurrency it follows what is possible.",
		Charts: charts,
	})
	table(t, "step", rows)
	for i, name := range []string{"load", "slowdown"} {
		none, bounded := charts[i].Lines[1].Y, charts[i].Lines[4].Y
		if at := len(none) * 6 / 10; none[at] > 0.3 || bounded[at] < 0.4 {
			t.Errorf("%s: towards the end of the overload: %v without protection, %v with a bound", name, none[at], bounded[at])
		}
	}
}

// recovered is the recovery as the table tells it.
func (s scenario) recovered(goodput []float64, phase int) string {
	after, ok := s.recovery(goodput, phase)
	switch {
	case !ok:
		return "never"
	case after == 0:
		return "never below"
	default:
		return fmt.Sprintf("%.1f s", after.Seconds())
	}
}

// stepPanel is a panel with what each phase allows.
func stepChart(title string, s scenario) plot.Chart {
	p := plot.Chart{
		Title: title, Height: 220,
		X: plot.Axis{Label: "seconds", Max: s.length().Seconds()}, Y: plot.Axis{Label: "goodput, of capacity", Max: 1.15, Percent: true},
	}
	possible := plot.Line{Name: "min(offered, capacity)", Reference: true}
	var at time.Duration
	for i, ph := range s.phases {
		possible.X = append(possible.X, at.Seconds(), (at + ph.lasts).Seconds())
		possible.Y = append(possible.Y, ph.possible(), ph.possible())
		if at += ph.lasts; i < len(s.phases)-1 {
			p.Marks = append(p.Marks, plot.Mark{At: at.Seconds()})
		}
	}
	p.Lines = append(p.Lines, possible)
	return p
}
