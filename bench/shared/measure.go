package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/elixirscope/foundation/internal/redistest"
)

// result is what one contender did in one round.
type result struct {
	rate           float64 // decisions a second
	p50, p99       time.Duration
	client, server time.Duration // of processor, for one decision
}

func (r result) String() string {
	return fmt.Sprintf("%.0f\t%v\t%v\t%v\t%v", r.rate, r.p50.Round(time.Microsecond), r.p99.Round(time.Microsecond), r.client, r.server)
}

// measure lets callers call one after the other, each without a pause.
func measure(ctx context.Context, server *redistest.Server, c *contender, callers, keys int, each time.Duration) (result, error) {
	if _, err := server.Do(ctx, "FLUSHALL"); err != nil {
		return result{}, err
	}
	if err := warm(ctx, c, callers, keys); err != nil {
		return result{}, err
	}
	serverBefore, err := serverTime(ctx, server)
	if err != nil {
		return result{}, err
	}
	var stop atomic.Bool
	var group sync.WaitGroup
	took, errs := make([]*hdrhistogram.Histogram, callers), make([]error, callers)
	begin, clientBefore := time.Now(), clientTime()
	for i := range callers {
		took[i] = hdrhistogram.New(1, int64(time.Minute), 3)
		group.Go(func() { errs[i] = call(ctx, c, keys, &stop, took[i]) })
	}
	time.Sleep(each)
	stop.Store(true)
	group.Wait()
	passed, clientSpent := time.Since(begin), clientTime()-clientBefore
	serverAfter, err := serverTime(ctx, server)
	if err := errors.Join(append(errs, err)...); err != nil {
		return result{}, err
	}
	all := hdrhistogram.New(1, int64(time.Minute), 3)
	for _, h := range took {
		all.Merge(h)
	}
	n := all.TotalCount()
	return result{
		float64(n) / passed.Seconds(), time.Duration(all.ValueAtQuantile(50)), time.Duration(all.ValueAtQuantile(99)),
		clientSpent / time.Duration(n), (serverAfter - serverBefore) / time.Duration(n),
	}, nil
}

// warm opens the connections and loads the script.
func warm(ctx context.Context, c *contender, callers, keys int) error {
	var group sync.WaitGroup
	errs := make([]error, callers)
	for i := range callers {
		group.Go(func() {
			for k := range 20 {
				if _, err := c.take(ctx, (i*20+k)%keys); err != nil {
					errs[i] = err
				}
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

func call(ctx context.Context, c *contender, keys int, stop *atomic.Bool, took *hdrhistogram.Histogram) error {
	random := rand.New(rand.NewPCG(rand.Uint64(), 1))
	for !stop.Load() {
		before := time.Now()
		if _, err := c.take(ctx, random.IntN(keys)); err != nil {
			return err
		}
		_ = took.RecordValue(int64(time.Since(before))) // none takes a minute
	}
	return nil
}

// clientTime is what this process has used of the processor.
func clientTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // it has no way to fail
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// serverTime is what the server has.
func serverTime(ctx context.Context, server *redistest.Server) (time.Duration, error) {
	text, err := server.Do(ctx, "INFO", "cpu")
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for line := range strings.Lines(text) {
		for _, name := range []string{"used_cpu_sys:", "used_cpu_user:"} {
			if value, ok := strings.CutPrefix(strings.TrimSpace(line), name); ok {
				seconds, err := strconv.ParseFloat(value, 64)
				if err != nil {
					return 0, err
				}
				sum += seconds
			}
		}
	}
	return time.Duration(sum * float64(time.Second)), nil
}
