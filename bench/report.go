package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/bench/internal/machine"
)

func (r row) best() result {
	return slices.MinFunc(r.peers, func(a, b result) int { return cmp.Compare(a.ns, b.ns) })
}

// line renders the row for programs, separated by tabs: scenario, ours_ns,
// ours_allocs, best_peer, peer_ns, ratio.
func (r row) line() string {
	best := r.best()
	return fmt.Sprintf("%s\t%.1f\t%s\t%s\t%.1f\t%.2f", r.scenario, r.ours.ns, count(r.ours.allocs), best.name, best.ns, best.ns/r.ours.ns)
}

// count renders a number of allocations: whole where it is whole but for what
// the runtime does beside.
func count(allocs float64) string {
	whole := float64(int(allocs + .5))
	if diff := allocs - whole; diff < .02 && diff > -.02 {
		return strconv.Itoa(int(whole))
	}
	return strconv.FormatFloat(allocs, 'f', 2, 64)
}

// writePage writes a page with the machine, the command, the versions and every
// row, those included in which a peer is ahead.
func writePage(folder string, rows []row, footprints []footprint, filter string, p plan) (string, error) {
	var b strings.Builder
	b.WriteString("# Measured beside the peers\n\n")
	fmt.Fprintf(&b, "- Machine: %s, %d cores, %s/%s\n", machine.Processor(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
	fmt.Fprintf(&b, "- %s, %s\n", runtime.Version(), time.Now().Format(time.DateOnly))
	fmt.Fprintf(&b, "- All cores at once did %.1f times the work of one, before and after: what stands as parallel was so to that degree\n", (p.speedup+speedup())/2)
	command := "make bench"
	if filter != "." {
		command += " BENCH='" + filter + "'"
	}
	fmt.Fprintf(&b, "- Command: `%s`: %d rounds of %v for each contender, in turns; the figures are medians\n", command, p.rounds, p.batch.Round(time.Microsecond))
	b.WriteString("- Nanoseconds are time passed over all operations of all goroutines; ± is half of the middle half of the rounds\n")
	b.WriteString("- Ratio is the peer's time over ours: below 1 the peer is ahead\n\n## Versions\n\n")
	for _, v := range versions() {
		b.WriteString("- " + v + "\n")
	}
	b.WriteString("\n## Rows\n\n| Scenario | Goroutines | Contender | ns | ± | Allocations | Ratio |\n|---|---:|---|---:|---:|---:|---:|\n")
	for _, r := range rows {
		r.write(&b)
	}
	for _, line := range wrong.lines() {
		b.WriteString("\n" + line + ".\n")
	}
	if len(footprints) > 0 {
		b.WriteString("\n## Memory of a live key, at 1,000,000 keys\n\nThe key's own text is counted where the contender keeps it.\n\n| Contender | Bytes a key |\n|---|---:|\n")
		for _, f := range footprints {
			fmt.Fprintf(&b, "| %s | %.0f |\n", f.name, f.bytes)
		}
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	name := fmt.Sprintf("%s-%s-%d-cores.md", time.Now().Format(time.DateOnly), runtime.GOARCH, runtime.NumCPU())
	path := filepath.Join(folder, name)
	return path, os.WriteFile(path, []byte(b.String()), 0o600)
}

func (r row) write(b *strings.Builder) {
	fmt.Fprintf(b, "| %s | %d | **ours** | %.1f | %.0f %% | %s | |\n", r.scenario, r.workers, r.ours.ns, 100*r.ours.spread, count(r.ours.allocs))
	for _, peer := range r.peers {
		fmt.Fprintf(b, "| | | %s | %.1f | %.0f %% | %s | %.2f |\n", peer.name, peer.ns, 100*peer.spread, count(peer.allocs), peer.ns/r.ours.ns)
	}
}

// speedup is how much more arithmetic all cores do at once than one does alone: a
// virtual machine may have fewer cores than it says.
func speedup() float64 {
	spin := func(worker, n int) {
		x := worker
		for i := range n {
			x = x*31 + i
		}
		sink.Store(int64(x))
	}
	const n = 50_000_000
	workers := runtime.GOMAXPROCS(0)
	alone := timed(spin, 1, n)
	return float64(workers) * float64(alone) / float64(timed(spin, workers, n))
}

var sink atomic.Int64

func versions() []string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil
	}
	var out []string
	for _, dep := range info.Deps {
		if !strings.Contains(dep.Path, "elixirscope") {
			out = append(out, dep.Path+" "+dep.Version)
		}
	}
	return out
}
