package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// connections is how many requests are under way at a time.
const connections = 32

// tick is the unit of the processor times in /proc/PID/stat.
const tick = 10 * time.Millisecond

// row is what one contender did at one size.
type row struct {
	size      int
	contender string
	perSecond float64       // median of the rounds
	beside    float64       // requests beside those of the first contender, median of the rounds
	processor time.Duration // that the proxy used for a request, of all rounds; 0 where the system does not tell
}

// sample is one contender's turn.
type sample struct {
	perSecond float64
	requests  float64
	processor time.Duration
}

// measure puts every contender under load in every round; each round begins with
// another one.
func (p plan) measure(ctx context.Context, all []contender, size int) ([]row, error) {
	samples := make([][]sample, len(all))
	for round := range p.rounds {
		for turn := range all {
			i := (round + turn) % len(all)
			s, err := p.load(ctx, all[i], size)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", all[i].name, err)
			}
			samples[i] = append(samples[i], s)
		}
	}
	rows := make([]row, len(all))
	for i := range all {
		rows[i] = sum(all[i].name, size, samples[i], samples[0])
	}
	return rows, nil
}

func sum(name string, size int, mine, first []sample) row {
	var rates, ratios []float64
	var requests float64
	var processor time.Duration
	for i, s := range mine {
		rates, ratios = append(rates, s.perSecond), append(ratios, s.perSecond/first[i].perSecond)
		requests += s.requests
		processor += s.processor
	}
	return row{size, name, median(rates), median(ratios), time.Duration(float64(processor) / requests)}
}

func median[T cmp.Ordered](values []T) T {
	slices.Sort(values)
	return values[len(values)/2]
}

// What wrk prints.
var (
	total    = regexp.MustCompile(`(\d+) requests in`)
	rate     = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
	mishap   = regexp.MustCompile(`Non-2xx.*|Socket errors:.*`)
	noNumber = regexp.MustCompile(`[^\d.]`)
)

func (p plan) load(ctx context.Context, c contender, size int) (sample, error) {
	seconds := strconv.Itoa(max(1, int(p.slice.Seconds()))) + "s"
	cmd := exec.CommandContext(ctx, "wrk", "-t1", "-c"+strconv.Itoa(connections), "-d"+seconds, c.url+"/"+strconv.Itoa(size))
	before := processorTime(c.pid)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return sample{}, fmt.Errorf("wrk: %w: %s", err, bytes.TrimSpace(out))
	}
	s, err := read(out)
	s.processor = processorTime(c.pid) - before
	return s, err
}

// read reads what wrk prints. A load with faults measures the faults.
func read(out []byte) (sample, error) {
	if found := mishap.Find(out); found != nil {
		return sample{}, fmt.Errorf("wrk counted: %s", found)
	}
	s := sample{perSecond: number(rate, out), requests: number(total, out)}
	if s.perSecond == 0 || s.requests == 0 {
		return sample{}, fmt.Errorf("wrk printed no figures: %s", bytes.TrimSpace(out))
	}
	return s, nil
}

func number(pattern *regexp.Regexp, out []byte) float64 {
	n, _ := strconv.ParseFloat(noNumber.ReplaceAllString(string(pattern.Find(out)), ""), 64) // 0 where there is none
	return n
}

// processorTime is what the process has used so far, 0 where there is no /proc.
func processorTime(pid int) time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])) // the name before it may hold spaces
	const user, system = 11, 12
	var ticks int64
	for _, field := range []int{user, system} {
		n, _ := strconv.ParseInt(fields[field], 10, 64) // decimal, by proc(5)
		ticks += n
	}
	return time.Duration(ticks) * tick
}
