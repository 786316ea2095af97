package main

import (
	"runtime"
	"slices"
	"sync"
	"time"
)

// A loop runs one operation n times. Several workers run it at once in a parallel
// scenario; each has a number of its own.
type loop func(worker, n int)

// A contender is one implementation in one scenario.
type contender struct {
	name string
	// start prepares the implementation and returns its loop, and what ends it or
	// nil. It is called once.
	start func() (loop, func())
	// figure, if set, is read after each round in place of the time that an
	// operation took.
	figure func() float64
}

// A scenario compares ours with peers that do the same. What does not do the same
// stands in a scenario of its own, whose name says what differs.
type scenario struct {
	name    string
	workers int // goroutines that run the loop at once
	ours    contender
	peers   []contender
}

// A plan says how long to measure.
type plan struct {
	rounds int
	batch  time.Duration // of one contender in one round

	speedup float64 // of all cores over one, before the first scenario; for the page
}

// overhead is how many batches a contender costs beyond its rounds: finding the
// size of a batch, counting allocations, preparation.
const overhead = 4

// fewest is the least number of rounds.
const fewest = 3

func newPlan(all []scenario, budget time.Duration) plan {
	const rounds = 11
	contenders := 0
	for _, s := range all {
		contenders += 1 + len(s.peers)
	}
	batch := budget / time.Duration(max(1, contenders*(rounds+overhead)))
	return plan{rounds: rounds, batch: min(max(batch, time.Millisecond), 200*time.Millisecond)}
}

// result is what one contender did in one scenario.
type result struct {
	name   string
	ns     float64 // median over the rounds of the time that passed, over all operations
	spread float64 // half of the middle half of the rounds, as a share of ns
	allocs float64 // an operation
}

// row is what came out of one scenario.
type row struct {
	scenario string
	workers  int
	ours     result
	peers    []result
}

// entrant is a contender at work.
type entrant struct {
	contender
	run  loop
	stop func()
	n    int // operations of each worker in a batch
	ns   []float64
}

// measure runs the scenario: all contenders in turn, again and again, each round
// beginning with another, so that a disturbance of the machine meets all alike.
func (p plan) measure(s scenario) row {
	field := make([]*entrant, 0, 1+len(s.peers))
	for _, c := range append([]contender{s.ours}, s.peers...) {
		e := &entrant{contender: c}
		e.run, e.stop = c.start()
		e.n = p.fit(e.run, s.workers)
		field = append(field, e)
	}
	runtime.GC()
	// On a machine that others use, batches take longer than planned: fewer rounds
	// then keep the promise of the whole.
	end := time.Now().Add(p.batch * time.Duration(len(field)*(p.rounds+1)))
	for round := range p.rounds {
		if round >= fewest && time.Now().After(end) {
			break
		}
		for i := range field {
			e := field[(i+round)%len(field)]
			took := timed(e.run, s.workers, e.n)
			figure := float64(took.Nanoseconds()) / float64(e.n*s.workers)
			if e.figure != nil {
				figure = e.figure()
			}
			e.ns = append(e.ns, figure)
		}
	}
	out := row{scenario: s.name, workers: s.workers}
	for i, e := range field {
		r := e.result(s.workers)
		if i == 0 {
			out.ours = r
		} else {
			out.peers = append(out.peers, r)
		}
		if e.stop != nil {
			e.stop()
		}
	}
	return out
}

// fit returns how many operations of each worker fill a batch.
func (p plan) fit(run loop, workers int) int {
	n := 16
	for {
		took := timed(run, workers, n)
		if took >= p.batch/2 {
			return max(16, int(float64(n)*float64(p.batch)/float64(took)))
		}
		n *= 2
	}
}

func timed(run loop, workers, n int) time.Duration {
	if workers == 1 {
		start := time.Now()
		run(0, n)
		return time.Since(start)
	}
	var ready, done sync.WaitGroup
	begin := make(chan struct{})
	ready.Add(workers)
	for worker := range workers {
		done.Go(func() {
			ready.Done()
			<-begin
			run(worker, n)
		})
	}
	ready.Wait()
	start := time.Now()
	close(begin)
	done.Wait()
	return time.Since(start)
}

func (e *entrant) result(workers int) result {
	slices.Sort(e.ns)
	median := e.ns[len(e.ns)/2]
	quarter := (e.ns[len(e.ns)*3/4] - e.ns[len(e.ns)/4]) / 2
	return result{name: e.name, ns: median, spread: quarter / median, allocs: allocations(e.run, workers, e.n)}
}

// allocations counts what an operation allocates. What the goroutines of a
// parallel run cost themselves vanishes in the number of operations.
func allocations(run loop, workers, n int) float64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	timed(run, workers, n)
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / float64(n*workers)
}
