package repotest_test

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const results = "bench/results/2026-11-23-amd64-2-cores.md"

var (
	measuredOurs = regexp.MustCompile(`^\| \S+ \| \d+ \| \*\*ours\*\* \| ([0-9.]+) \|`)
	measuredPeer = regexp.MustCompile(`^\| \| \| \S+ \| ([0-9.]+) \| [^|]*\| \d+ \| ([0-9.]+) \|`)
	shownRow     = regexp.MustCompile(`^\| ([^|]+) \| ([0-9]+) ns, \d \| [^|]*?([0-9]+) ns, \d \| ([0-9.]+) \|$`)
)

// What the README shows of the measurements is what was measured.
func TestReadme_TheFiguresAreThoseOfTheResults(t *testing.T) {
	type row struct{ ours, peer, ratio float64 }
	number := func(text string) float64 {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	var rows []row
	ours := 0.0
	for line := range strings.Lines(read(t, results)) {
		if m := measuredOurs.FindStringSubmatch(line); m != nil {
			ours = number(m[1])
		} else if m := measuredPeer.FindStringSubmatch(line); m != nil {
			rows = append(rows, row{ours, number(m[1]), number(m[2])})
		}
	}
	n := 0
	for line := range strings.Lines(read(t, "README.md")) {
		m := shownRow.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		n++
		unit := math.Pow10(-len(m[4][strings.IndexByte(m[4], '.')+1:])) // of the last digit that is shown
		found := false
		for _, r := range rows {
			found = found || math.Abs(r.ours-number(m[2])) <= 0.5 && math.Abs(r.peer-number(m[3])) <= 0.5 && math.Abs(r.ratio-number(m[4])) <= unit/2+1e-9
		}
		if !found {
			t.Errorf("%s: %s has no row of %s ns beside %s ns, %s times", m[1], results, m[2], m[3], m[4])
		}
	}
	if n < 15 {
		t.Errorf("only %d rows were found", n)
	}
}
