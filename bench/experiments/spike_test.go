package experiments_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/elixirscope/foundation/internal/plot"
)

// spike is a service at 0.8 of its capacity, half of it critical, whose bulk load becomes 12 times
// as much for some time.
func spike() scenario {
	const usual = 0.4
	s := scenario{[]phase{
		{lasts: 3 * time.Second, critical: usual, bulk: usual},
		{lasts: 4 * time.Second, critical: usual, bulk: 12 * usual},
		{lasts: 3 * time.Second, critical: usual, bulk: usual},
	}, time.Second, 1}
	if *write {
		s.phases[0].lasts, s.phases[1].lasts, s.phases[2].lasts, s.seeds = 20*time.Second, 20*time.Second, 20*time.Second, 5
	}
	return s
}

func spikeContenders(s scenario) []contender {
	begin, lasts := s.phases[0].lasts, s.phases[1].lasts
	return []contender{
		nothing(), rateLimit(0.9*capacity, burst), concurrency(bound), shedByHand(bound, begin+lasts/2, lasts*3/4),
		limitedBulk(bound, 500, burst), reserved(60, 20),
	}
}

// What do the critical calls notice of a spike of those that can wait?
func TestSpikeOfBulk(t *testing.T) {
	s := spike()
	begin, end := s.phases[0].lasts, s.phases[0].lasts+s.phases[1].lasts
	rows := [][]string{{"", "critical calls answered before", "during the spike", "p99 of them", "bulk calls answered before", "during the spike", "goodput during the spike, of capacity", "refused during the spike"}}
	raw := [][]string{{"contender", "until_seconds", "critical_success", "bulk_success"}}
	ofCritical, ofBulk := spikeChart("Critical calls", s), spikeChart("Bulk calls, 12 times as many during the spike", s)
	success := map[string]float64{}
	var byHand []float64
	for _, c := range append(spikeContenders(s), separate(40, 20), reserved(bound, 5), reserved(bound, 10), reserved(bound, 20), reserved(bound, 30)) {
		var all []*call
		var crit, low [][]float64
		s.run(t, c, func(calls []*call) {
			all = append(all, calls...)
			crit = append(crit, successOverTime(calls, s.length(), s.step, critical))
			low = append(low, successOverTime(calls, s.length(), s.step, bulk))
		})
		during := summarize(all, begin, end, critical)
		every := summarize(all, begin, end, every)
		success[c.name] = during.success
		rows = append(rows, []string{
			c.name, hundredths(summarize(all, 0, begin, critical).success), hundredths(during.success), fmt.Sprintf("%.0f ms", during.p99.Seconds()*1000),
			percent(summarize(all, 0, begin, bulk).success), percent(summarize(all, begin, end, bulk).success),
			percent(every.goodput / float64(s.seeds)), percent(every.refused),
		})
		lines := [2]plot.Line{{Name: c.name, Color: c.color}, {Name: c.name, Color: c.color}}
		for i, v := range [2][]float64{mean(crit), mean(low)} {
			for k, y := range v {
				lines[i].X, lines[i].Y = append(lines[i].X, (time.Duration(k+1)*s.step).Seconds()), append(lines[i].Y, y)
			}
		}
		if c.color == 2 {
			byHand = lines[0].Y
		}
		for k, x := range lines[0].X {
			raw = append(raw, []string{c.name, fmt.Sprint(x), exact(lines[0].Y[k]), exact(lines[1].Y[k])})
		}
		if len(ofCritical.Lines) < len(spikeContenders(s)) { // the others are in the table only
			ofCritical.Lines, ofBulk.Lines = append(ofCritical.Lines, lines[0]), append(ofBulk.Lines, lines[1])
		}
	}
	data(t, "spike", raw)
	figure(t, "spike", plot.Figure{
		Title:  "Success under a spike of 12 times the usual bulk load",
		Alt:    "With one bound for all calls most critical calls are refused during the spike; with places that bulk cannot take nearly all are answered.",
		Charts: []plot.Chart{ofCritical, ofBulk},
	})
	table(t, "spike", rows)
	if success[nothing().name] > 0.2 || success[concurrency(bound).name] > 0.4 || success[reserved(60, 20).name] < 0.98 {
		t.Errorf("critical calls that are answered during the spike: %v", success)
	}
	if last := int(end/s.step) - 1; byHand[0] < 0.99 || byHand[int(begin/s.step)] > 0.5 || byHand[last] < 0.99 {
		t.Errorf("critical calls that are answered while the operator sheds bulk from the middle of the spike on: %v", byHand)
	}
}

func spikeChart(title string, s scenario) plot.Chart {
	p := stepChart(title, s)
	p.Y = plot.Axis{Label: "answered within 100 ms", Max: 1.05, Percent: true}
	p.Lines = nil
	return p
}

func hundredths(v float64) string { return fmt.Sprintf("%.2f %%", 100*v) }
