package experiments_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/internal/plot"
)

// An upstream answers in 10 ms or so, but 3 requests in 100 take 200 ms, whatever is sent to
// it. For a while it is wholly slow: everything takes ten times as long.
const (
	hedgeOffered = 200 // calls a second
	hedgeFast    = 10 * time.Millisecond
	hedgeSlow    = 200 * time.Millisecond
	hedgeShare   = 0.03
	hedgeFixed   = 30 * time.Millisecond
	hedgeWarm    = 5 * time.Second // until percentiles are known
)

// hedger is one way to make calls.
type hedger struct {
	name  string
	color int
	make  func(*testing.T) func(ctx context.Context, op func(context.Context) error) error
}

func hedgers() []hedger {
	return []hedger{
		{"no hedges", 1, func(*testing.T) func(context.Context, func(context.Context) error) error {
			return func(ctx context.Context, op func(context.Context) error) error { return op(ctx) }
		}},
		{"after 30 ms, no budget", 2, func(*testing.T) func(context.Context, func(context.Context) error) error { return unbounded }},
		{"after 30 ms", 3, hedgedBy(guard.HedgeAfter{Delay: hedgeFixed})},
		{"after p95", 4, hedgedBy(guard.HedgeAfter{Percentile: 95})},
		{"after p99", 6, hedgedBy(guard.HedgeAfter{Percentile: 99})},
	}
}

func hedgedBy(after guard.HedgeAfter) func(*testing.T) func(context.Context, func(context.Context) error) error {
	return func(t *testing.T) func(context.Context, func(context.Context) error) error {
		t.Helper()
		g, err := guard.New("upstream", guard.Config{Hedge: &guard.Hedge{After: after}})
		if err != nil {
			t.Fatal(err)
		}
		return func(ctx context.Context, op func(context.Context) error) error {
			_, err := guard.DoHedged(ctx, g, guard.Call{Idempotent: true}, func(ctx context.Context) (struct{}, error) { return struct{}{}, op(ctx) })
			return err
		}
	}
}

// unbounded is hedging as it is written most: a timer, and nothing that bounds it.
func unbounded(ctx context.Context, op func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 2)
	go func() { ended <- op(ctx) }()
	timer := time.NewTimer(hedgeFixed)
	defer timer.Stop()
	select {
	case err := <-ended:
		return err
	case <-timer.C:
		go func() { ended <- op(ctx) }()
		return <-ended
	}
}

// hedgePlan is when the upstream is wholly slow.
type hedgePlan struct{ from, until, ends time.Duration }

// hedgeRun is what came of one way, by the second in which calls began.
type hedgeRun struct {
	calls, sent []int
	took        [][]time.Duration
}

func (p hedgePlan) run(t *testing.T, with hedger, seed uint64) (s hedgeRun) {
	t.Helper()
	seconds := int(p.ends/time.Second) + 1
	s.calls, s.sent, s.took = make([]int, seconds), make([]int, seconds), make([][]time.Duration, seconds)
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		random := rand.New(rand.NewPCG(seed, 1))
		var mu sync.Mutex // of random and of the counts; nothing is called under it
		call := with.make(t)
		op := func(second int) func(context.Context) error {
			return func(ctx context.Context) error {
				mu.Lock()
				s.sent[second]++
				takes := time.Duration((0.7 + 0.3*random.ExpFloat64()) * float64(hedgeFast))
				if random.Float64() < hedgeShare {
					takes = hedgeSlow
				}
				if now := time.Since(begin); now >= p.from && now < p.until {
					takes *= 10
				}
				mu.Unlock()
				select {
				case <-time.After(takes):
				case <-ctx.Done():
				}
				return ctx.Err()
			}
		}
		arrivals := rand.New(rand.NewPCG(seed, 2))
		var pending sync.WaitGroup
		defer pending.Wait()
		for at := time.Duration(0); at < p.ends; at += time.Duration(arrivals.ExpFloat64() / hedgeOffered * float64(time.Second)) {
			<-time.After(at - time.Since(begin))
			pending.Go(func() {
				began, second := time.Now(), int(time.Since(begin)/time.Second)
				_ = call(context.Background(), op(second))
				mu.Lock()
				defer mu.Unlock()
				s.calls[second]++
				s.took[second] = append(s.took[second], time.Since(began))
			})
		}
	})
	return s
}

// between sums up the seconds of a part: the quantiles of the calls, and the requests for
// each of them.
func (s *hedgeRun) between(from, until time.Duration) (p50, p99 time.Duration, each float64) {
	var took []time.Duration
	calls, sent := 0, 0
	for i := int(from / time.Second); i < int(until/time.Second); i++ {
		took = append(took, s.took[i]...)
		calls, sent = calls+s.calls[i], sent+s.sent[i]
	}
	slices.Sort(took)
	return took[len(took)/2], took[len(took)*99/100], float64(sent) / float64(calls)
}

// What does hedging gain against an upstream that is slow now and then, and what does it
// cost one that is wholly slow?
func TestHedge(t *testing.T) {
	plan := hedgePlan{35 * time.Second, 45 * time.Second, 55 * time.Second}
	if *write {
		plan = hedgePlan{30 * time.Second, 60 * time.Second, 90 * time.Second}
	}
	rows := [][]string{{"", "p50", "p99", "requests per call", "p99 while all is slow", "requests per call then", "most in one second"}}
	raw := [][]string{{"hedges", "until_seconds", "requests_per_call", "p99_seconds"}}
	x := plot.Axis{Label: "seconds", Max: plan.ends.Seconds()}
	p99s := plot.Chart{Title: "99 in 100 calls end within", Height: 240, X: x, Y: plot.Axis{Label: "seconds", Max: 2.5}}
	sent := plot.Chart{Title: "Requests that reach the upstream, for each call", X: x, Y: plot.Axis{Label: "requests per call", Max: 2.2}}
	for _, c := range []*plot.Chart{&p99s, &sent} {
		c.Bands = []plot.Band{{Name: "the upstream is wholly slow", From: plan.from.Seconds(), To: plan.until.Seconds()}}
	}
	type sum struct {
		p99        time.Duration
		each, then float64
	}
	results := map[string]sum{}
	for _, h := range hedgers() {
		s := plan.run(t, h, 1)
		lines := [2]plot.Line{{Name: h.name, Color: h.color}, {Name: h.name, Color: h.color}}
		most := 0.0
		for i := range int(plan.ends / time.Second) {
			at := time.Duration(i) * time.Second
			_, p99, each := s.between(at, at+time.Second)
			if at >= plan.from && at < plan.until {
				most = max(most, each)
			}
			lines[0].X, lines[0].Y = append(lines[0].X, float64(i+1)), append(lines[0].Y, p99.Seconds())
			lines[1].X, lines[1].Y = append(lines[1].X, float64(i+1)), append(lines[1].Y, each)
			raw = append(raw, []string{h.name, fmt.Sprint(i + 1), exact(each), exact(p99.Seconds())})
		}
		p99s.Lines, sent.Lines = append(p99s.Lines, lines[0]), append(sent.Lines, lines[1])
		p50, p99, each := s.between(hedgeWarm, plan.from)
		_, slow99, then := s.between(plan.from, plan.until)
		results[h.name] = sum{p99, each, then}
		rows = append(rows, []string{
			h.name, p50.Round(time.Millisecond).String(), p99.Round(time.Millisecond).String(), fmt.Sprintf("%.3f", each),
			slow99.Round(time.Millisecond).String(), fmt.Sprintf("%.2f", then), fmt.Sprintf("%.2f", most),
		})
	}
	data(t, "hedge", raw)
	figure(t, "hedge", plot.Figure{
		Title:  "Hedges against an upstream that is slow now and then, and one that is wholly slow",
		Alt:    "With hedges after the 95th percentile the 99th percentile falls from 200 ms to less than a fifth for one request in twenty more; while the upstream is wholly slow, hedges without a budget double its load, and those of a guard do not.",
		Charts: []plot.Chart{p99s, sent},
	})
	table(t, "hedge", rows)
	without, by95, naive := results["no hedges"], results["after p95"], results["after 30 ms, no budget"]
	if by95.p99 > without.p99/2 || by95.each > 1.055 {
		t.Errorf("p99 %v in place of %v, for %.3f requests", by95.p99, without.p99, by95.each)
	}
	if naive.then < 1.9 || by95.then > 1.25 || results["after 30 ms"].then > 1.25 {
		t.Errorf("while all is slow %.2f requests for each call without a budget, %.2f and %.2f with one", naive.then, by95.then, results["after 30 ms"].then)
	}
}
