package experiments_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/internal/plot"
	"github.com/elixirscope/foundation/retry"
)

// Three services call each other, and the last one calls the upstream, which fails for a
// while: what it answers then is an error, after the usual time in service. Each service
// makes up to three attempts, and its callers wait for a second.
const (
	stormAttempts = 3
	stormBackoff  = 20 * time.Millisecond
	attemptLimit  = 100 * time.Millisecond // of the service next to the upstream
	patience      = time.Second
	stormOffered  = 0.3 // of the capacity
)

// tier is how a service makes calls to the next one.
type tier func(ctx context.Context, op func(context.Context) error) error

// policy is one way for all three services to retry.
type policy struct {
	name  string
	color int
	// tier makes a service. attempt bounds one attempt of its calls, 0 is no bound.
	tier func(t *testing.T, random func() float64, attempt time.Duration) tier
	// marks says that the callers of a service learn which errors were retried already.
	marks bool
}

func stormPolicies() []policy {
	return []policy{
		{name: "no retries", color: 1, tier: once},
		{name: "3 attempts in each service", color: 2, tier: stubborn},
		{name: "3 attempts, marks", color: 3, tier: stubborn, marks: true},
		{name: "3 attempts, budgets", color: 4, tier: budgeted},
		{name: "3 attempts, budgets and marks", color: 6, tier: budgeted, marks: true},
	}
}

func once(_ *testing.T, _ func() float64, attempt time.Duration) tier {
	return func(ctx context.Context, op func(context.Context) error) error { return limited(ctx, attempt, op) }
}

func limited(ctx context.Context, attempt time.Duration, op func(context.Context) error) error {
	if attempt == 0 {
		return op(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	return op(ctx)
}

// stubborn is the loop that is written most: attempts with exponential back-off and full
// jitter, and nothing that bounds them together.
func stubborn(_ *testing.T, random func() float64, attempt time.Duration) tier {
	policy := retry.Config{Attempts: stormAttempts, Backoff: stormBackoff}
	return func(ctx context.Context, op func(context.Context) error) error {
		for made := 1; ; made++ {
			err := limited(ctx, attempt, op)
			if err == nil || ctx.Err() != nil {
				return err
			}
			d := policy.Next(retry.State{Attempts: made, Deadline: clock.Max}, retry.Event{Final: retry.IsFinal(err), Random: random()}, clock.Now())
			if d.Reason != retry.Granted || !clock.Sleep(ctx, d.Wait) {
				return retry.Ended(err, d.Reason)
			}
		}
	}
}

// budgeted is a guard with a policy of retries.
func budgeted(t *testing.T, random func() float64, attempt time.Duration) tier {
	t.Helper()
	g, err := guard.New("next", guard.Config{Retry: &retry.Config{Attempts: stormAttempts, Backoff: stormBackoff, AttemptTimeout: attempt}}, guard.WithRandom(random))
	if err != nil {
		t.Fatal(err)
	}
	return func(ctx context.Context, op func(context.Context) error) error {
		return g.DoCall(ctx, guard.Call{Idempotent: true}, op)
	}
}

// storm is one run of a policy: by the second, how many requests reached the upstream and how
// many calls were answered in time.
type storm struct{ reached, answered []int }

// stormPlan is when the upstream fails.
type stormPlan struct{ from, until, ends time.Duration }

var errStorm = errors.New("the upstream failed")

func (p stormPlan) run(t *testing.T, with policy, seed uint64) (s storm) {
	t.Helper()
	seconds := int(p.ends/time.Second) + 2
	s.reached, s.answered = make([]int, seconds), make([]int, seconds)
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		u := &upstream{}
		random := rand.New(rand.NewPCG(seed, 1))
		var mu sync.Mutex // of random and of the counts; nothing is called under it
		draw := func() float64 { mu.Lock(); defer mu.Unlock(); return random.Float64() }
		count := func(counts []int) {
			mu.Lock()
			defer mu.Unlock()
			counts[min(int(time.Since(begin)/time.Second), seconds-1)]++
		}
		call := with.through(t, draw, func(ctx context.Context) error {
			mu.Lock()
			takes := time.Duration(random.ExpFloat64() * float64(service))
			mu.Unlock()
			count(s.reached)
			failing := time.Since(begin) >= p.from && time.Since(begin) < p.until
			err := u.serve(ctx, takes)
			if err == nil && failing {
				return errStorm
			}
			return err
		})
		arrivals := rand.New(rand.NewPCG(seed, 2))
		var pending sync.WaitGroup
		defer pending.Wait()
		for at := time.Duration(0); at < p.ends; at += time.Duration(arrivals.ExpFloat64() / (stormOffered * capacity) * float64(time.Second)) {
			time.Sleep(at - time.Since(begin))
			pending.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				defer cancel()
				if call(ctx) == nil {
					count(s.answered)
				}
			})
		}
	})
	return s
}

// through makes the three services, the first one first. An error that crosses from one
// to another is a text, as over a network, which keeps the mark only if they pass it on.
func (p policy) through(t *testing.T, random func() float64, op func(context.Context) error) func(context.Context) error {
	t.Helper()
	cross := func(err error) error {
		if err == nil || p.marks {
			return err
		}
		return errors.New(err.Error())
	}
	call := op
	for i := range 3 {
		limit := time.Duration(0)
		if i == 0 {
			limit = attemptLimit
		}
		service, next := p.tier(t, random, limit), call
		call = func(ctx context.Context) error { return cross(service(ctx, next)) }
	}
	return call
}

// What three services that retry do to an upstream that fails, and to its return?
func TestRetryStorm(t *testing.T) {
	plan := stormPlan{3 * time.Second, 9 * time.Second, 20 * time.Second}
	if *write {
		plan = stormPlan{20 * time.Second, 50 * time.Second, 110 * time.Second}
	}
	offered := stormOffered * capacity
	rows := [][]string{{"", "requests per call during the outage", "most in one second", "answered in time after it", "all are answered again after"}}
	raw := [][]string{{"policy", "until_seconds", "requests_per_call", "answered"}}
	x := plot.Axis{Label: "seconds", Max: plan.ends.Seconds()}
	reached := plot.Chart{Title: "Requests that reach the upstream, for each call", Height: 240, X: x, Y: plot.Axis{Label: "requests per call"}}
	answered := plot.Chart{Title: "Calls answered within a second", X: x, Y: plot.Axis{Label: "of calls", Max: 1.1, Percent: true}}
	for _, c := range []*plot.Chart{&reached, &answered} {
		c.Bands = []plot.Band{{Name: "the upstream fails", From: plan.from.Seconds(), To: plan.until.Seconds()}}
	}
	results := map[string]storm{}
	for _, p := range stormPolicies() {
		s := plan.run(t, p, 1)
		results[p.name] = s
		lines := [2]plot.Line{{Name: p.name, Color: p.color}, {Name: p.name, Color: p.color}}
		for i := range int(plan.ends / time.Second) {
			sent, good := float64(s.reached[i])/offered, float64(s.answered[i])/offered
			lines[0].X, lines[0].Y = append(lines[0].X, float64(i+1)), append(lines[0].Y, sent)
			lines[1].X, lines[1].Y = append(lines[1].X, float64(i+1)), append(lines[1].Y, good)
			raw = append(raw, []string{p.name, fmt.Sprint(i + 1), exact(sent), exact(good)})
		}
		reached.Lines, answered.Lines = append(reached.Lines, lines[0]), append(answered.Lines, lines[1])
		rows = append(rows, plan.row(p.name, s, offered))
	}
	data(t, "retry-storm", raw)
	figure(t, "retry-storm", plot.Figure{
		Title:  "Three services retry while an upstream fails",
		Alt:    "With three attempts in each service the upstream gets many times its load and does not come back when it works again; with budgets and marks it gets a fifth more and is back at once.",
		Charts: []plot.Chart{reached, answered},
	})
	table(t, "retry-storm", rows)
	naive, both := plan.during(results["3 attempts in each service"].reached)/offered, plan.during(results["3 attempts, budgets and marks"].reached)/offered
	if naive < 5 || both > 1.4 {
		t.Errorf("during the outage %.1f requests for each call without bounds, %.2f with budgets and marks", naive, both)
	}
	if after := plan.after(results["3 attempts, budgets and marks"].answered) / offered; after < 0.95 {
		t.Errorf("with budgets and marks %.2f of the calls are answered after the outage", after)
	}
}

func (p stormPlan) row(name string, s storm, offered float64) []string {
	most := 0
	for _, n := range s.reached {
		most = max(most, n)
	}
	again, end := "never", int(p.ends/time.Second)
	for i := end - 1; i >= int(p.until/time.Second); i-- {
		if float64(s.answered[i]) < 0.8*offered { // a second of 300 calls at random varies
			break
		}
		again = fmt.Sprintf("%d s", i-int(p.until/time.Second))
	}
	return []string{
		name, fmt.Sprintf("%.2f", p.during(s.reached)/offered), fmt.Sprintf("%.1f", float64(most)/offered),
		percent(min(1, p.after(s.answered)/offered)), again,
	}
}

// during is the mean of a second of the outage.
func (p stormPlan) during(counts []int) float64 { return meanOf(counts, p.from, p.until) }

// after is the mean of a second from the end of the outage on.
func (p stormPlan) after(counts []int) float64 { return meanOf(counts, p.until, p.ends) }

func meanOf(counts []int, from, until time.Duration) (mean float64) {
	first, last := int(from/time.Second), int(until/time.Second)
	for _, n := range counts[first:last] {
		mean += float64(n) / float64(last-first)
	}
	return mean
}
