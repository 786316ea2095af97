package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/elixirscope/foundation/internal/plot"
	"github.com/elixirscope/foundation/perf/internal/detect"
	"github.com/elixirscope/foundation/perf/internal/simulate"
)

// report is what was measured.
type report struct {
	seed    uint64
	days    int
	results []simulate.Result // with incidents, by service
	quiet   []simulate.Result // without
	scalar  []simulate.Scalar // the same services, one number a tick
	series  simulate.Scalar   // their sum
}

// quietRuns are the months without an incident of each service.
const quietRuns = 3

func measure(seed uint64, days int) *report {
	profiles := simulate.Profiles()
	r := &report{seed: seed, days: days, results: make([]simulate.Result, len(profiles)), quiet: make([]simulate.Result, len(profiles)*quietRuns), scalar: make([]simulate.Scalar, len(profiles))}
	c := detect.DefaultConfig(simulate.Tick)
	var wait sync.WaitGroup
	for i := range profiles {
		wait.Go(func() {
			p := &profiles[i]
			plan := simulate.Plan(p, days, seed, simulate.AllKinds()...)
			r.results[i] = simulate.Run(p, &c, days, seed, plan)
			for j := range quietRuns {
				r.quiet[i*quietRuns+j] = simulate.Run(p, &c, days, seed+uint64(100*(j+1)), nil)
			}
			r.scalar[i] = simulate.RunScalar(p, days, seed)
		})
	}
	wait.Wait()
	for i := range r.scalar {
		r.series.Add(&r.scalar[i])
	}
	return r
}

func (r *report) outcomes() []simulate.Outcome {
	var all []simulate.Outcome
	for i := range r.results {
		all = append(all, r.results[i].Outcomes...)
	}
	return all
}

func all(*simulate.Outcome) bool { return true }

func (r *report) markdown() string {
	var b strings.Builder
	total := simulate.Summarize(r.outcomes(), all)
	months := float64(len(r.quiet)*r.days) / 30
	falseQuiet, falseBusy := falseAlarms(r.quiet), falseAlarms(r.results)
	fmt.Fprintf(&b, "\nCommand: `make experiments`, or `go run ./perf/internal/cmd/detection -seed %d -days %d`.\n\n", r.seed, r.days)
	fmt.Fprintf(&b, "One set of defaults, ticks of 10 s. Of %d incidents %.1f %% were found; the delay is %d ticks in the median and %d at p95, counting the tick that raised the alert.\n", total.Incidents, 100*total.Recall(), total.P50, total.P95)
	fmt.Fprintf(&b, "In %.0f quiet months of a service there were %d false alarms: %.4f in a day and %.2f in a month of one series (a service has three: latency, errors, throughput). In the months with incidents there were %d that no incident explains.\n\n",
		months, falseQuiet, float64(falseQuiet)/(3*months*30), float64(falseQuiet)/(3*months), falseBusy)
	b.WriteString("| Service | Incident | Incidents | Found | Delay p50 | Delay p95 |\n|---|---|---|---|---|---|\n")
	for i := range r.results {
		for _, kind := range simulate.AllKinds() {
			s := simulate.Summarize(r.results[i].Outcomes, func(o *simulate.Outcome) bool { return o.Kind == kind })
			fmt.Fprintf(&b, "| %s | %s | %d | %d | %d | %d |\n", r.results[i].Profile, kind, s.Incidents, s.Found, s.P50, s.P95)
		}
	}
	r.writeSizes(&b)
	r.writeScalar(&b)
	b.WriteString("![Share of incidents found by ticks since they began, by kind](experiments/detection-delay.svg)\n\n" +
		"![Share of incidents found by their size, by service](experiments/detection-recall.svg)\n\n" +
		"![A simulated series with its alerts](experiments/detection-series.svg)\n\n")
	return b.String()
}

func falseAlarms(results []simulate.Result) int {
	n := 0
	for i := range results {
		for _, f := range results[i].False {
			n += f
		}
	}
	return n
}

// sizes are the borders of the classes of incidents, in deviations of a normal tick.
var sizes = []float64{2, 3, 5, 10, math.Inf(1)}

func (r *report) writeSizes(b *strings.Builder) {
	b.WriteString("\n| Size in normal deviations | Incidents | Found | Delay p50 | Delay p95 |\n|---|---|---|---|---|\n")
	for i := range len(sizes) - 1 {
		s := simulate.Summarize(r.outcomes(), within(sizes[i], sizes[i+1]))
		name := fmt.Sprintf("%g to %g", sizes[i], sizes[i+1])
		if math.IsInf(sizes[i+1], 1) {
			name = fmt.Sprintf("%g and more", sizes[i])
		}
		fmt.Fprintf(b, "| %s | %d | %.1f %% | %d | %d |\n", name, s.Incidents, 100*s.Recall(), s.P50, s.P95)
	}
}

func within(from, to float64) func(*simulate.Outcome) bool {
	return func(o *simulate.Outcome) bool { return o.Size >= from && o.Size < to }
}

func (r *report) writeScalar(b *strings.Builder) {
	fmt.Fprintf(b, "\nThe detector for plain numbers (`foundation detect`) on the mean latency, the error ratio and the number of calls of the same services, a row a minute: %d of %d incidents found (%.1f %%), %.1f %% of the %d alerts explained by an incident, %.2f false alarms in a month of one series.\n\n",
		r.series.Found, r.series.Incidents, 100*r.series.Recall(), 100*r.series.Precision(), r.series.Alerts, float64(r.series.Alerts-r.series.Explained)/float64(r.series.Days)*30)
}

// delays draws the share of incidents that were found within so many ticks.
func (r *report) delays() plot.Chart {
	const most = 100
	c := plot.Chart{Title: "Incidents found by ticks since they began", X: plot.Axis{Label: "ticks of 10 s", Min: 1, Max: most, Log: true}, Y: plot.Axis{Label: "share found", Min: 0, Max: 1}}
	for _, kind := range simulate.AllKinds() {
		line := plot.Line{Name: kind.String()}
		outcomes := slices.DeleteFunc(r.outcomes(), func(o simulate.Outcome) bool { return o.Kind != kind })
		for n := 1; n <= most; n++ {
			found := 0
			for i := range outcomes {
				if outcomes[i].Found && outcomes[i].Delay <= n {
					found++
				}
			}
			line.X, line.Y = append(line.X, float64(n)), append(line.Y, float64(found)/float64(max(1, len(outcomes))))
		}
		c.Lines = append(c.Lines, line)
	}
	return c
}

// recalls draws the share found by size.
func (r *report) recalls() plot.Chart {
	c := plot.Chart{Title: "Incidents found by size", X: plot.Axis{Label: "size in deviations of a normal tick", Min: 2, Max: 20, Log: true}, Y: plot.Axis{Label: "share found", Min: 0, Max: 1}}
	borders := []float64{2, 2.5, 3.2, 4, 5, 6.3, 8, 10, 12.6, 16, 20}
	for i := range r.results {
		line := plot.Line{Name: r.results[i].Profile, Dots: true}
		for j := range len(borders) - 1 {
			s := simulate.Summarize(r.results[i].Outcomes, within(borders[j], borders[j+1]))
			if s.Incidents > 0 {
				line.X, line.Y = append(line.X, math.Sqrt(borders[j]*borders[j+1])), append(line.Y, s.Recall())
			}
		}
		c.Lines = append(c.Lines, line)
	}
	return c
}

// example draws two hours of a service around a step of its latency.
func example(seed uint64) plot.Chart {
	p := simulate.Profiles()[2]
	c := detect.DefaultConfig(simulate.Tick)
	s, op := simulate.NewService(&p, seed), detect.NewOperation(&c, simulate.Bounds())
	step := simulate.Plan(&p, 30, seed, simulate.Step)[0]
	chart := plot.Chart{
		Title: fmt.Sprintf("Latency of a noisy service: a step of %.1f deviations", step.Size),
		X:     plot.Axis{Label: "minutes"}, Y: plot.Axis{Label: "share of calls beyond 25 ms"},
	}
	line := plot.Line{Name: "calls beyond 25 ms"}
	var band *plot.Band
	for n := range step.End() + 180 {
		t := s.Next(step.At(n))
		d := op.Observe(t)[detect.KindLatency]
		minute := float64(n-step.Start) / 6
		if n >= step.Start-180 {
			line.X, line.Y = append(line.X, minute), append(line.Y, beyond(t, 0.025))
		}
		switch {
		case d.Change == detect.Triggered && n >= step.Start:
			chart.Bands = append(chart.Bands, plot.Band{Name: "alert", From: minute, To: minute})
			band = &chart.Bands[len(chart.Bands)-1]
		case d.Phase == detect.Alerting && band != nil:
			band.To = minute
		}
	}
	chart.Lines = []plot.Line{line}
	return chart
}

// beyond is the share of calls in buckets that end after a duration.
func beyond(t *detect.Tick, seconds float64) float64 {
	n := uint64(0)
	for i, upper := range simulate.Bounds() {
		if upper > seconds {
			n += t.Buckets[i]
		}
	}
	return float64(n) / float64(max(t.Calls, 1))
}
