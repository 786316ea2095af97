package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/elixirscope/foundation/bench/internal/machine"
)

// table collects results by callers and contender.
type table map[row][]result

type row struct {
	callers int
	name    string
}

func (t table) add(callers int, name string, r result) {
	t[row{callers, name}] = append(t[row{callers, name}], r)
}

// median is of each number by itself.
func (t table) median(at row) result {
	all := t[at]
	number := func(of func(r result) float64) float64 {
		values := make([]float64, len(all))
		for i, r := range all {
			values[i] = of(r)
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	return result{
		number(func(r result) float64 { return r.rate }),
		time.Duration(number(func(r result) float64 { return float64(r.p50) })), time.Duration(number(func(r result) float64 { return float64(r.p99) })),
		time.Duration(number(func(r result) float64 { return float64(r.client) })), time.Duration(number(func(r result) float64 { return float64(r.server) })),
	}
}

func (t table) names(callers int) []string {
	var all []string
	for r := range t {
		if r.callers == callers {
			all = append(all, r.name)
		}
	}
	slices.Sort(all)
	return all
}

// ratios are ours over each of theirs.
func (t table) ratios() []string {
	var out []string
	for _, callers := range crowds {
		own := t.median(row{callers, ours}).rate
		for _, name := range t.names(callers) {
			if name != ours {
				out = append(out, fmt.Sprintf("%d callers: %.2f× %s", callers, own/t.median(row{callers, name}).rate, name))
			}
		}
	}
	return out
}

// write writes a page with the medians.
func (t table) write(dir string, each time.Duration, rounds, keys int) error {
	load, _ := os.ReadFile("/proc/loadavg") // elsewhere than on Linux there is none
	average, _, _ := strings.Cut(string(load), " ")
	var b strings.Builder
	fmt.Fprintf(&b, "# Limits that processes share on Redis, beside redis_rate and throttled\n\n")
	fmt.Fprintf(&b, "- Machine: %s, %d cores, shared with other work: the load average was %s. Ratios and processor time count, not the rates\n", machine.Processor(), runtime.NumCPU(), average)
	fmt.Fprintf(&b, "- Command: `go run ./shared -for %v -rounds %d`, %s; medians of the rounds, in turns, on one Redis server that the command starts\n", each, rounds, runtime.Version())
	fmt.Fprintf(&b, "- %d keys, all as likely; 1,000 calls a minute for each, so that nearly all are admitted; every caller calls again at once. No prefetch, no cache of refusals\n", keys)
	fmt.Fprintf(&b, "- \"Pipelined\" is the same over `AutoPipeline` of go-redis, all that their interfaces leave to tune\n")
	for _, callers := range crowds {
		fmt.Fprintf(&b, "\n## %d callers\n\n| Contender | Decisions/s | Ours is | p50 | p99 | Client's processor time a decision | Server's |\n|---|---:|---:|---:|---:|---:|---:|\n", callers)
		own := t.median(row{callers, ours}).rate
		for _, name := range t.names(callers) {
			r := t.median(row{callers, name})
			fmt.Fprintf(&b, "| %s | %.0f | %.2f× | %v | %v | %.1f µs | %.1f µs |\n", name, r.rate, own/r.rate,
				r.p50.Round(time.Microsecond), r.p99.Round(time.Microsecond), float64(r.client)/1e3, float64(r.server)/1e3)
		}
	}
	name := fmt.Sprintf("%s-shared-%s-%d-cores.md", time.Now().Format(time.DateOnly), runtime.GOARCH, runtime.NumCPU())
	return os.WriteFile(filepath.Join(dir, name), []byte(b.String()), 0o644)
}
