// Command events measures how many events adapters/sqlite makes durable, beside raw
// batches and a naive group commit over the same table with the same indexes, what an
// event occupies on disk, and how long a query takes among many.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/elixirscope/foundation/bench/internal/machine"
)

func main() {
	appenders := flag.Int("appenders", 256, "goroutines that append single events")
	each := flag.Duration("for", 10*time.Second, "how long to append, for each contender and round")
	rounds := flag.Int("rounds", 3, "rounds, in turns")
	stored := flag.Int("events", 1_000_000, "events to measure the size with, 0 for none")
	among := flag.Int("among", 5_000_000, "events to query among, 0 for none")
	dir := flag.String("dir", "", "the `folder` to write into (default a temporary one)")
	flag.Parse()
	if err := run(*dir, *appenders, *each, *rounds, *stored, *among); err != nil {
		fmt.Fprintln(os.Stderr, "events:", err)
		os.Exit(1)
	}
}

func run(dir string, appenders int, each time.Duration, rounds, stored, among int) error {
	dir, err := os.MkdirTemp(dir, "events")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Printf("%s, %d cores, %s\n", machine.Processor(), runtime.NumCPU(), runtime.Version())
	fmt.Println("contender\tappenders\tevents/s\tp50\tp99\tp99.9\tCPU/event")
	for round := range rounds {
		for i := range contenders {
			c := contenders[(i+round)%len(contenders)]
			r, err := c.measure(filepath.Join(dir, fmt.Sprint(c.name, round)), appenders, each)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			fmt.Println(r)
		}
	}
	return fill(context.Background(), filepath.Join(dir, "filled"), stored, among)
}
