// Command bench measures the parts of this library beside their peers, in one
// process and in turns, so that both meet the same machine in the same mood.
// What counts are the ratios: the nanoseconds belong to the machine.
package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"time"
)

func main() {
	quick := flag.Bool("quick", false, "finish in 50 seconds and print one line a scenario")
	results := flag.String("results", "", "write a page of all rows into this `folder`")
	filter := flag.String("bench", ".", "measure only scenarios that match this `pattern`")
	budget := flag.Duration("budget", 0, "measure for about this long (default 30s with -quick, 5m without)")
	flag.Parse()

	if *budget == 0 {
		*budget = 5 * time.Minute
		if *quick {
			*budget = 30 * time.Second
		}
	}
	if err := run(*quick, *results, *filter, *budget); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(quick bool, results, filter string, budget time.Duration) error {
	pattern, err := regexp.Compile(filter)
	if err != nil {
		return err
	}
	chosen := choose(scenarios(), pattern)
	plan := newPlan(chosen, budget)
	if !quick {
		plan.speedup = speedup()
		fmt.Printf("%d scenarios, %d rounds of %v for each contender, about %v; all cores at once do %.1f times the work of one\n",
			len(chosen), plan.rounds, plan.batch.Round(time.Microsecond), budget, plan.speedup)
	}
	rows := make([]row, 0, len(chosen))
	for _, s := range chosen {
		r := plan.measure(s)
		rows = append(rows, r)
		fmt.Println(r.line())
	}
	for _, line := range wrong.lines() {
		fmt.Fprintln(os.Stderr, line)
	}
	if results == "" {
		return nil
	}
	var footprints []footprint
	if pattern.MatchString("limiter/memory") {
		footprints = memoryPerKey()
	}
	path, err := writePage(results, rows, footprints, filter, plan)
	if err == nil {
		fmt.Println("wrote", path)
	}
	return err
}

func choose(all []scenario, pattern *regexp.Regexp) []scenario {
	var chosen []scenario
	for _, s := range all {
		if pattern.MatchString(s.name) {
			chosen = append(chosen, s)
		}
	}
	return chosen
}

func scenarios() []scenario {
	var all []scenario
	all = append(all, breakerScenarios()...)
	all = append(all, limiterScenarios()...)
	all = append(all, poolScenarios()...)
	all = append(all, recordScenarios()...)
	return append(all, guardScenarios()...)
}
