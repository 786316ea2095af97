// Command detection simulates services with incidents, judges the detectors of the performance
// monitor by them, and writes the section "Detection" of docs/experiments.md with its figures.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/elixirscope/foundation/internal/plot"
)

func main() {
	seed := flag.Uint64("seed", 7, "from which everything follows")
	days := flag.Int("days", 30, "simulated days of each service")
	docs := flag.String("docs", "docs", "`folder` of experiments.md")
	flag.Parse()
	if err := run(*seed, *days, *docs); err != nil {
		fmt.Fprintln(os.Stderr, "detection:", err)
		os.Exit(1)
	}
}

func run(seed uint64, days int, docs string) error {
	r := measure(seed, days)
	figures := filepath.Join(docs, "experiments")
	if err := os.MkdirAll(figures, 0o755); err != nil { //nolint:gosec // documentation is for everybody
		return err
	}
	for name, chart := range map[string]plot.Chart{
		"detection-delay.svg": r.delays(), "detection-recall.svg": r.recalls(), "detection-series.svg": example(seed),
	} {
		if err := os.WriteFile(filepath.Join(figures, name), []byte(chart.SVG()), 0o644); err != nil { //nolint:gosec // as above
			return err
		}
	}
	return replaceSection(filepath.Join(docs, "experiments.md"), r.markdown())
}

const (
	begin = "<!-- detection: written by make experiments -->\n"
	end   = "<!-- detection: end -->\n"
)

// replaceSection replaces what stands between the marks of the page.
func replaceSection(page, section string) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return fmt.Errorf("%s has no section between %q and %q", page, strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	return os.WriteFile(page, []byte(before+begin+section+end+after), 0o644) //nolint:gosec // documentation is for everybody
}
