// Command shared measures limits that processes share on Redis: adapters/redis beside
// redis_rate and throttled, on one server that it starts.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/elixirscope/foundation/bench/internal/machine"
	"github.com/elixirscope/foundation/internal/redistest"
)

func main() {
	quick := flag.Bool("quick", false, "one short round")
	each := flag.Duration("for", 3*time.Second, "how long to call, for each contender and round")
	rounds := flag.Int("rounds", 5, "rounds, in turns")
	keys := flag.Int("keys", 100_000, "keys, all of them as likely")
	only := flag.String("only", "", "the contenders whose names contain this")
	results := flag.String("results", "", "the `folder` for the page with the results (default none)")
	flag.Parse()
	if *quick {
		*each, *rounds = 700*time.Millisecond, 1
	}
	if err := run(*each, *rounds, *keys, *only, *results); err != nil {
		fmt.Fprintln(os.Stderr, "shared:", err)
		os.Exit(1)
	}
}

var crowds = []int{1, 64, 512}

func run(each time.Duration, rounds, keys int, only, results string) error {
	server, err := redistest.New()
	if err != nil {
		return err
	}
	defer server.Remove()
	ctx := context.Background()
	if err := server.Start(ctx); err != nil {
		return err
	}
	contenders, end, err := open(server, keys)
	if err != nil {
		return err
	}
	defer end()
	var found []*contender
	for _, c := range contenders {
		if strings.Contains(c.name, only) {
			found = append(found, c)
		}
	}
	fmt.Printf("%s, %d cores, %s\n", machine.Processor(), runtime.NumCPU(), runtime.Version())
	fmt.Println("callers\tcontender\tdecisions/s\tp50\tp99\tclient CPU\tserver CPU")
	t := table{}
	for _, callers := range crowds {
		for round := range rounds {
			for i := range found {
				c := found[(i+round)%len(found)]
				r, err := measure(ctx, server, c, callers, keys, each)
				if err != nil {
					return fmt.Errorf("%s: %w", c.name, err)
				}
				fmt.Printf("%d\t%s\t%s\n", callers, c.name, r)
				t.add(callers, c.name, r)
			}
		}
	}
	for _, line := range t.ratios() {
		fmt.Println(line)
	}
	if results == "" {
		return nil
	}
	return t.write(results, each, rounds, keys)
}
