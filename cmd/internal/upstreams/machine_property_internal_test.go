package upstreams

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/outcome"
)

// plain is what a host should be, told in the plainest way: from the whole list of what happened.
type plain struct {
	row        int
	probation  bool
	ejected    bool
	until      clock.Instant
	unwell     bool
	returned   clock.Instant
	recovering bool
}

func outOf(all map[string]*plain) (ejected, out int) {
	for _, h := range all {
		if h.ejected {
			ejected++
		}
		if h.ejected || h.unwell {
			out++
		}
	}
	return ejected, out
}

// The set agrees with the plain model, whatever happens in whatever order; and whatever the
// model says, no more than half are ejected, a host alone never, and there is always a choice.
func TestProperty_TheSetFollowsThePlainModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		policy := Policy{
			Failures: rapid.IntRange(1, 4).Draw(rt, "failures"), Window: time.Second, For: 2 * time.Second, MaxFor: 5 * time.Second,
			SlowStart: time.Duration(rapid.IntRange(0, 3).Draw(rt, "slow start")) * time.Second,
		}
		k := newKit(t, policy, rapid.IntRange(1, 6).Draw(rt, "hosts"))
		k.set.random = rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0)).Uint64
		model := map[string]*plain{}
		for _, m := range members(len(k.set.hosts)) {
			model[m.Name] = &plain{}
		}
		expire := func() {
			for _, h := range model {
				if h.ejected && k.now >= h.until {
					h.ejected, h.returned, h.recovering = false, k.now, policy.SlowStart > 0
				}
				if h.recovering && k.now >= h.returned.Add(policy.SlowStart) {
					h.recovering = false
				}
			}
		}
		anyHost := func() string {
			return rapid.SampledFrom(slices.Sorted(maps.Keys(model))).Draw(rt, "host")
		}
		rt.Repeat(map[string]func(*rapid.T){
			"attempt": func(rt *rapid.T) {
				n := anyHost()
				o := rapid.SampledFrom([]outcome.Outcome{outcome.Success, outcome.Failure, outcome.Failure, outcome.Ignored}).Draw(rt, "outcome")
				k.set.Tick(k.now)
				expire()
				h := model[n]
				switch o {
				case outcome.Success:
					h.row = 0
					h.probation = h.probation && h.ejected
				case outcome.Failure:
					h.row++
					ejected, _ := outOf(model)
					if !h.ejected && (h.row >= policy.Failures || h.probation) && (ejected+1)*2 <= len(model) {
						h.ejected, h.recovering, h.probation = true, false, true
						h.until = k.now.Add(k.ejectionOf(n, policy))
					}
				}
				a := k.named(n).Begin()
				k.settle(&a, o)
			},
			"time": func(rt *rapid.T) {
				k.pass(time.Duration(rapid.IntRange(0, 4000).Draw(rt, "ms")) * time.Millisecond)
			},
			"check": func(rt *rapid.T) {
				n, passes := anyHost(), rapid.Bool().Draw(rt, "passes")
				k.set.Tick(k.now)
				expire()
				h := model[n]
				if h.unwell && passes && !h.ejected {
					h.returned, h.recovering = k.now, policy.SlowStart > 0
				}
				h.unwell = !passes
				k.set.Checked(k.named(n), passes, "", k.now)
			},
			"choice": func(rt *rapid.T) {
				admitted := map[string]bool{}
				for n := range model {
					admitted[n] = rapid.Bool().Draw(rt, "admits")
				}
				var tried []*Host
				for n := range model {
					if rapid.Bool().Draw(rt, "tried") {
						tried = append(tried, k.named(n))
					}
				}
				got := k.next(tried, func(m string) bool { return admitted[m] })
				expire()
				checkChoice(rt, model, got, tried, admitted)
			},
			"": func(rt *rapid.T) {
				k.set.Tick(k.now)
				expire()
				ejected, out := outOf(model)
				if 2*ejected > len(model) {
					rt.Fatalf("%d of %d are ejected", ejected, len(model))
				}
				s := k.set.Status(k.now)
				if s.Panics != (2*out > len(model)) {
					rt.Fatalf("panics: %v with %d of %d out", s.Panics, out, len(model))
				}
				for _, h := range s.Hosts {
					m := model[h.Name]
					if (h.State == Ejected) != m.ejected || h.Row != m.row || (h.State == Unwell) != (m.unwell && !m.ejected) || (h.State == SlowStart) != (m.recovering && !m.ejected && !m.unwell) {
						rt.Fatalf("%s is %+v, want %+v", h.Name, h, *m)
					}
				}
			},
		})
	})
}

// checkChoice looks whether a host could have been chosen better.
func checkChoice(rt *rapid.T, model map[string]*plain, got *Host, tried []*Host, admitted map[string]bool) {
	_, out := outOf(model)
	panics := 2*out > len(model)
	refusing := out
	for n, h := range model {
		if !h.ejected && !h.unwell && !admitted[n] {
			refusing++
		}
	}
	rank := func(n string) (r int) {
		if h := model[n]; panics || !h.ejected && !h.unwell {
			r += 4
		}
		if admitted[n] {
			r += 2
		}
		if !slices.ContainsFunc(tried, func(h *Host) bool { return h.name == n }) {
			r++
		}
		return r
	}
	ours := rank(got.name)
	if 2*refusing > len(model) && ours < 4 { // all may be chosen from
		ours += 4
	}
	for n := range model {
		if theirs := rank(n); theirs > ours {
			rt.Fatalf("chosen: %s of rank %d, and %s has %d", got.name, ours, n, theirs)
		}
	}
}
