// Command gateway measures foundation serve beside a bare httputil.ReverseProxy
// and Caddy: each a process of its own in front of the same upstream, in turns and
// under the load of wrk. What counts are the ratios within a round.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	if role := os.Getenv(roleVariable); role != "" {
		fail(play(role))
		return
	}
	p := plan{}
	flag.StringVar(&p.foundation, "foundation", "../bin/foundation", "the `binary` to measure")
	flag.StringVar(&p.results, "results", "", "write a page into this `folder`")
	flag.IntVar(&p.rounds, "rounds", 10, "rounds for each size")
	flag.DurationVar(&p.slice, "slice", time.Second, "how long a contender is under load in a round, in whole seconds")
	flag.Parse()
	// Whatever ends this program must end the processes that it has started, also a
	// reader of its output that left.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGPIPE)
	defer stop()
	fail(p.run(ctx))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "gateway:", err)
		os.Exit(1)
	}
}

// plan is what is measured.
type plan struct {
	foundation string
	results    string
	rounds     int
	slice      time.Duration
}

// sizes of the answers, in bytes: a status, a usual answer of an API, a page, a
// picture.
var sizes = []int{50, 1_000, 10_000, 100_000}

func (p plan) run(ctx context.Context) error {
	if _, err := exec.LookPath("wrk"); err != nil {
		return errors.New("wrk makes the load and is not on the path: apt-get install wrk")
	}
	all, stop, err := p.start(ctx)
	defer stop()
	if err != nil {
		return err
	}
	fmt.Printf("%d sizes, %d rounds of %v for each of %d contenders, about %v\n",
		len(sizes), p.rounds, p.slice, len(all), time.Duration(len(sizes)*p.rounds*len(all))*p.slice)
	var rows []row
	for _, size := range sizes {
		measured, err := p.measure(ctx, all, size)
		if err != nil {
			return err
		}
		for _, r := range measured {
			fmt.Println(r.line())
		}
		rows = append(rows, measured...)
	}
	if p.results == "" {
		return nil
	}
	path, err := p.writePage(rows)
	if err == nil {
		fmt.Println("wrote", path)
	}
	return err
}
