package main

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/elixirscope/foundation/memory"
	"github.com/elixirscope/foundation/priority"
)

// The load: requests that matter, at a steady pace, and a wave of bulk that would hold
// more than the limit at its height.
const (
	criticalRate, criticalHold, criticalBytes = 50, 40 * time.Millisecond, 512 << 10
	bulkRate, bulkHold, bulkBytes             = 300, 2 * time.Second, 512 << 10
	step                                      = 5 * time.Millisecond
)

// served is what the child tells, one line every 100 ms, so that what it did before it was
// killed is known.
type served struct {
	Critical, Bulk, Refused int
	P99                     float64 // of critical, in milliseconds
}

type service struct {
	manager *memory.Manager

	mu   sync.Mutex
	done served
	took []float64
	wait sync.WaitGroup
}

// serve is the child.
func serve(managed bool, lasting time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), lasting)
	defer cancel()
	s := &service{}
	if managed {
		m, err := memory.New(memory.Config{Limit: hardLimit})
		if err != nil {
			panic(err)
		}
		s.manager = m
		go func() { _ = m.Serve(ctx) }()
	}
	go s.tell(ctx)
	s.load(ctx, lasting)
	s.wait.Wait()
	s.print()
}

// load offers what is due at each step: the wave rises for a third of the time, stays for
// another and falls.
func (s *service) load(ctx context.Context, lasting time.Duration) {
	begin, last := time.Now(), time.Now()
	critical, bulk := 0.0, 0.0
	tick := time.NewTicker(step)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case now := <-tick.C:
			passed, at := now.Sub(last).Seconds(), now.Sub(begin).Seconds()/lasting.Seconds()
			last = now
			critical += passed * criticalRate
			bulk += passed * bulkRate * min(1, 3*at, 3*(1-at))
			for ; critical >= 1; critical-- {
				s.request(now, priority.Critical, criticalHold, criticalBytes)
			}
			for ; bulk >= 1; bulk-- {
				s.request(now, priority.Bulk, bulkHold, bulkBytes)
			}
		case <-ctx.Done():
		}
	}
}

// request holds memory for a while.
func (s *service) request(due time.Time, p priority.Priority, hold time.Duration, bytes int) {
	if s.manager != nil {
		if refusal := s.manager.Admit(p, 0); refusal != nil {
			s.mu.Lock()
			s.done.Refused++
			s.mu.Unlock()
			return
		}
	}
	s.wait.Go(func() {
		held := make([]byte, bytes)
		for i := 0; i < len(held); i += 4096 {
			held[i] = 1
		}
		time.Sleep(hold)
		s.mu.Lock()
		defer s.mu.Unlock()
		if p == priority.Critical {
			s.done.Critical += int(held[0])
			s.took = append(s.took, float64(time.Since(due).Microseconds())/1e3)
		} else {
			s.done.Bulk += int(held[0])
		}
	})
}

func (s *service) tell(ctx context.Context) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		<-tick.C
		s.print()
	}
}

func (s *service) print() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.took); n > 0 {
		sorted := slices.Sorted(slices.Values(s.took))
		s.done.P99 = sorted[n*99/100]
	}
	_ = json.NewEncoder(os.Stdout).Encode(s.done) // the parent reads it, or is gone
}
