package guard

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/retry"
)

// maxTargets is how many targets of a guard have a budget of their own at one time.
const maxTargets = 1024

// overflowTarget is what the status calls the targets beyond that.
const overflowTarget = "(overflow)"

// budgets bound the retries of a guard, each target's by itself: what is retried to one
// that is dead must not depend on how much goes to its neighbours.
type budgets struct {
	untargeted retry.Budget // of the calls without a target
	overflow   retry.Budget // of all targets beyond the bound
	// targets is replaced under mu and never changed, so that reading it takes no lock.
	targets atomic.Pointer[map[string]*retry.Budget]

	mu      sync.Mutex
	cleaned clock.Instant // when idle targets were last looked for in a full table
}

// of returns the budget of a target.
func (b *budgets) of(target string) *retry.Budget {
	if target == "" {
		return &b.untargeted
	}
	if all := b.targets.Load(); all != nil {
		if found := (*all)[target]; found != nil {
			return found
		}
	}
	return b.add(target, clock.Now())
}

// add makes the budget of a target. A table that is full gives up the targets that were
// not called for a window, which changes no answer: once a second at most, because
// whoever names the targets must not be able to make every call look through them.
func (b *budgets) add(target string, now clock.Instant) *retry.Budget {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.all()
	if found := all[target]; found != nil {
		return found
	}
	full := len(all) >= maxTargets
	if since := now.Sub(b.cleaned); full && since >= 0 && since < time.Second {
		return &b.overflow
	}
	next := maps.Clone(all)
	if full {
		b.cleaned = now
		maps.DeleteFunc(next, func(_ string, budget *retry.Budget) bool { return budget.Idle(now) })
	}
	made := &b.overflow
	if len(next) < maxTargets {
		if next == nil {
			next = make(map[string]*retry.Budget)
		}
		made = new(retry.Budget)
		next[target] = made
	}
	b.targets.Store(&next)
	return made
}

func (b *budgets) all() map[string]*retry.Budget {
	if all := b.targets.Load(); all != nil {
		return *all
	}
	return nil
}

// TargetBudget is what may be retried to one target, "" for the calls without one.
type TargetBudget struct {
	Target string
	retry.BudgetStatus
}

// status lists the budgets in use in the order of their targets; that of the calls
// without a target is always among them.
func (b *budgets) status(share float64) []TargetBudget {
	now, all := clock.Now(), b.all()
	out := []TargetBudget{{"", b.untargeted.Status(now, share)}}
	for _, target := range slices.Sorted(maps.Keys(all)) {
		out = append(out, TargetBudget{target, all[target].Status(now, share)})
	}
	if !b.overflow.Idle(now) {
		out = append(out, TargetBudget{overflowTarget, b.overflow.Status(now, share)})
	}
	return out
}
