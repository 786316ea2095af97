package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/elixirscope/foundation/bench/internal/machine"
)

// line renders the row for people.
func (r row) line() string {
	return fmt.Sprintf("%7d B  %-36s %9.0f/s  %5.2f  %8s", r.size, r.contender, r.perSecond, r.beside, r.used())
}

func (r row) used() string {
	if r.processor == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f µs", float64(r.processor)/float64(time.Microsecond))
}

// writePage writes every row with the machine and the command.
func (p plan) writePage(rows []row) (string, error) {
	var b strings.Builder
	b.WriteString("# The gateway beside a bare ReverseProxy and Caddy\n\n")
	fmt.Fprintf(&b, "- Machine: %s, %d cores, shared with the load and the upstream; %s, %s\n", machine.Processor(), runtime.NumCPU(), runtime.Version(), time.Now().Format(time.DateOnly))
	fmt.Fprintf(&b, "- Command: `make bench-gateway`: wrk with %d connections, %d rounds of %v for each contender, in turns\n", connections, p.rounds, p.slice)
	b.WriteString("- Requests a second are medians of the rounds; \"beside\" is the median of the ratios to the first proxy in the same round\n")
	b.WriteString("- A ReverseProxy as it comes keeps two idle connections and allocates a buffer of 32 KiB for every answer; the tuned one has 1,024 connections and a pool of buffers\n")
	b.WriteString("- The route of foundation has a rate limit by client, a breaker, a concurrency limit and a timeout\n\n")
	b.WriteString("| Answer | Proxy | Requests/s | Beside the tuned proxy | Processor time a request |\n|---:|---|---:|---:|---:|\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| %d B | %s | %.0f | %.2f | %s |\n", r.size, r.contender, r.perSecond, r.beside, r.used())
	}
	if err := os.MkdirAll(p.results, 0o755); err != nil {
		return "", err
	}
	name := fmt.Sprintf("%s-gateway-%s-%d-cores.md", time.Now().Format(time.DateOnly), runtime.GOARCH, runtime.NumCPU())
	path := filepath.Join(p.results, name)
	return path, os.WriteFile(path, []byte(b.String()), 0o600)
}
