package perf_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/perf"
	"github.com/elixirscope/foundation/supervise"
	"github.com/elixirscope/foundation/telemetry"
)

// 30 workers, and the service is killed every two seconds: it is back by itself, everything
// works, and no call is lost.
func TestMonitor_IsKilledAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, err := perf.New(quick, perf.Options{})
		if err != nil {
			t.Fatal(err)
		}
		kill := make(chan struct{})
		tree := supervise.New(nil)
		err = tree.Add(supervise.Spec{Name: "performance", Service: supervise.Func(func(ctx context.Context) error {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			done := make(chan error, 1)
			go func() { done <- m.Serve(ctx) }()
			select {
			case <-kill:
				cancel()
				<-done
				panic("killed")
			case err := <-done:
				return err
			}
		})})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for w := range 30 {
			wg.Go(func() {
				for i := range 200 {
					m.Operation(fmt.Sprint("worker", w)).Record(time.Millisecond, outcome.Outcome(i%2))
					time.Sleep(100 * time.Millisecond)
				}
			})
		}
		for range 9 {
			time.Sleep(2 * time.Second)
			kill <- struct{}{}
		}
		wg.Wait()
		time.Sleep(time.Minute) // longer than the longest back-off
		if s := m.Status(); !s.Running || s.Operations != 30 {
			t.Errorf("%+v", s)
		}
		for w := range 30 {
			if s, err := m.Snapshot(fmt.Sprint("op:worker", w)); err != nil || s.Succeeded != 100 || s.Failed != 100 {
				t.Errorf("%+v, %v", s, err)
			}
		}
		if err := tree.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// 50 workers do everything that there is for 30 seconds: what waits and what is kept stays
// within its bounds.
func TestMonitor_StaysWithinItsBounds(t *testing.T) {
	down := func(ctx context.Context, _ string, _ []byte) error { <-ctx.Done(); return ctx.Err() }
	run(t, with(quick, func(c *perf.Config) { c.MaxOperations = 40 }), perf.Options{Send: down, Bus: telemetry.NewBus()}, func(k *kit) {
		k.m.SetWebhook("http://hook")
		end := time.Now().Add(30 * time.Second)
		var wg sync.WaitGroup
		for w := range 50 {
			wg.Go(func() { k.everything(rand.New(rand.NewPCG(uint64(w), 1)), w, end) })
		}
		wg.Wait()
		s := k.m.Status()
		if s.Operations > 40+1+50 || s.Webhook.Waiting > 256 || len(k.m.Silences()) > 50 || len(k.m.Alerts()) > 200+4*s.Operations {
			t.Errorf("%+v, %d silences, %d alerts", s, len(k.m.Silences()), len(k.m.Alerts()))
		}
	})
}

func (k *kit) everything(r *rand.Rand, worker int, end time.Time) {
	for time.Now().Before(end) {
		name := fmt.Sprint("x", r.IntN(80))
		op := k.m.Operation(name)
		for range 20 {
			op.Record(time.Duration(r.Int64N(int64(time.Second))), outcome.Outcome(r.IntN(3)))
		}
		switch r.IntN(8) {
		case 0:
			_, _ = k.m.Silence(perf.Silence{Operation: "op:" + name, Actor: "jo", Reason: "x", Until: time.Now().Add(time.Second)})
		case 1:
			_ = k.m.Reconfigure(with(quick, func(c *perf.Config) {
				c.MaxOperations = 40
				c.Thresholds = map[string]perf.Threshold{"op:" + name: {MinRate: 1e6, For: 1, Of: 1}}
			}))
		case 2:
			part := new(perf.Operation)
			k.m.Follow(fmt.Sprint("group", worker), []perf.Source{{Name: fmt.Sprint("part", worker), Part: part, Read: part.ReadCalls, Within: []string{"op:" + name}}})
		case 3:
			_, _ = k.m.Series("op:"+name, time.Now().Add(-time.Minute), time.Now(), time.Second, "p99", "rate")
		case 4:
			k.m.Operations(time.Minute)
		case 5:
			k.m.Collect(func(telemetry.Sample) {})
		default:
			k.m.Alerts()
		}
		time.Sleep(time.Duration(r.IntN(500)) * time.Millisecond)
	}
}
