package guard_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/ratelimit"
)

// The property: whatever several goroutines tell of a token, in the same moment or
// one after the other, and whenever its lease ends, every account is what a plain
// model allows that takes one thing after the other.

// deed is what somebody does with a token.
type deed int

const (
	doneWell deed = iota
	doneBadly
	settleWell
	settleBadly
	settleIgnored
	closes
	asks
	expires // the guard does that
)

// deeds are the steps of one token: those of one moment in any order.
type deeds map[time.Duration][]deed

// fate is how a call ended in the model: its result, "" while it is not known, and
// whether its token of the rate limit came back.
type fate struct {
	result   guard.Result
	known    bool
	over     bool
	refunded bool
}

func (f fate) after(d deed) fate {
	settle := func(r guard.Result) {
		switch {
		case f.over:
		case !f.known:
			f.result, f.known, f.refunded = r, true, r == guard.Failed
		case f.result == guard.Succeeded && r == guard.Failed:
			f.refunded = true // revoked
		}
	}
	switch d {
	case doneWell, settleWell:
		settle(guard.Succeeded)
	case doneBadly, settleBadly:
		settle(guard.Failed)
	case settleIgnored:
		settle(guard.Indifferent)
	case closes, expires:
		if d == expires && f.known {
			return f
		}
		if !f.known {
			settle(guard.Failed)
		}
	case asks:
		return f
	}
	f.over = f.over || d == doneWell || d == doneBadly || d == closes || d == expires
	return f
}

// fates are all that the model allows.
func (s deeds) fates() []fate {
	moments := make([]time.Duration, 0, len(s))
	for at := range s {
		moments = append(moments, at)
	}
	slices.Sort(moments)
	all := []fate{{}}
	for _, at := range moments {
		var next []fate
		for _, f := range all {
			next = append(next, f.inAnyOrder(s[at])...)
		}
		all = next
	}
	return all
}

func (f fate) inAnyOrder(all []deed) []fate {
	if len(all) == 0 {
		return []fate{f}
	}
	var ends []fate
	for i := range all {
		ends = append(ends, f.after(all[i]).inAnyOrder(slices.Delete(slices.Clone(all), i, i+1))...)
	}
	return ends
}

func act(tok *guard.Token, d deed) {
	switch d {
	case doneWell:
		tok.Done(nil)
	case doneBadly:
		tok.Done(errDown)
	case settleWell:
		tok.Settle(outcome.Success, nil)
	case settleBadly:
		tok.Settle(outcome.Failure, errDown)
	case settleIgnored:
		tok.Settle(outcome.Ignored, errDown)
	case closes:
		tok.Close()
	case asks:
		tok.Answered()
		tok.Quota()
	case expires:
	}
}

func drawDeeds(t *rapid.T, lease time.Duration) deeds {
	moments := []time.Duration{time.Second, 2 * time.Second, 3 * time.Second}
	s := deeds{lease: {expires}}
	for range rapid.IntRange(0, 4).Draw(t, "deeds") {
		at := rapid.SampledFrom(moments).Draw(t, "at")
		s[at] = append(s[at], deed(rapid.IntRange(0, int(asks)).Draw(t, "deed")))
	}
	s[5*time.Second] = append(s[5*time.Second], closes)
	return s
}

func TestProperty_ATokenEndsOnceAsAPlainModelAllows(t *testing.T) {
	const limit = 1000
	rapid.Check(t, func(t *rapid.T) {
		rapid.SyncTest(t, func(t *rapid.T) {
			told := &recorder{}
			rule := must(ratelimit.New("rule", ratelimit.Config{Algorithm: ratelimit.FixedWindow, Limit: limit, Per: 1000 * time.Hour}))
			b := must(breaker.New("b", breaker.Config{FailureThreshold: 1000}))
			g := must(guard.New("g", guard.Config{
				Breaker: b, RateLimit: rule, RefundOnFailure: true, Recorder: told, Concurrency: limit, Lease: 24 * time.Hour,
			}))
			var wg sync.WaitGroup
			plans := map[string]deeds{}
			for i := range rapid.IntRange(1, 5).Draw(t, "tokens") {
				lease := time.Duration(rapid.IntRange(1, 4).Draw(t, "lease")) * time.Second
				plan, op := drawDeeds(t, lease), fmt.Sprint(i)
				plans[op] = plan
				tok := must(g.Enter(t.Context(), guard.Call{Op: op, Lease: lease, Untimed: true}))
				for at, all := range plan {
					for _, d := range all {
						wg.Go(func() { time.Sleep(at); act(tok, d) })
					}
				}
			}
			wg.Wait()
			synctest.Wait()
			compareFates(t, g, rule, told, plans, limit)
		})
	})
}

func compareFates(t *rapid.T, g *guard.Guard, rule *ratelimit.Limiter, told *recorder, plans map[string]deeds, limit int) {
	if s := g.Status(); s.InFlight != 0 || s.SlotsTaken != 0 || len(told.all) != len(plans) {
		t.Fatalf("%d in flight, %d slots, %d calls told of %d", s.InFlight, s.SlotsTaken, len(told.all), len(plans))
	}
	least, most := limit-len(plans), limit-len(plans)
	for _, o := range told.all {
		fates := plans[o.Op].fates()
		fits := func(f fate) bool { return f.result == o.Result && f.over }
		if !slices.ContainsFunc(fates, fits) {
			t.Fatalf("token %s ended as %v, the model allows %+v", o.Op, o.Result, fates)
		}
		fates = slices.DeleteFunc(fates, func(f fate) bool { return !fits(f) })
		refunded := func(f fate) bool { return f.refunded }
		if slices.ContainsFunc(fates, refunded) {
			most++
		}
		if !slices.ContainsFunc(fates, func(f fate) bool { return !f.refunded }) {
			least++
		}
	}
	if got := int(rule.Peek(ratelimit.Key{}).Remaining); got < least || got > most {
		t.Fatalf("%d tokens of the rule remain, the model allows %d to %d", got, least, most)
	}
}
