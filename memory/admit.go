package memory

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/priority"
)

const (
	leastRetry = time.Second
	// golden steps through the fractions so that any number of steps in a row are spread evenly.
	golden = 0x9e3779b97f4a7c15
)

// Refusing returns a word that is 0 while [Manager.Admit] admits every call: whoever is about
// to ask can load it first.
func (m *Manager) Refusing() *atomic.Uint32 { return &m.refusing }

// Admit decides whether new work of a priority may begin, an unset one is normal. It returns
// nil, or a fault of [fault.MemoryPressure] with the numbers that decided. Of a priority that
// is refused in part, key chooses: the same keys are refused as long as the pressure lasts, and
// more as it rises; 0 is no key, of which the same share is refused in turn. Ask for new work
// alone, never for what ends work or gives memory back. It takes nothing and does not block.
func (m *Manager) Admit(p priority.Priority, key uint64) *fault.Error {
	if m.refusing.Load() == 0 {
		return nil
	}
	return m.decide(p, key)
}

func (m *Manager) decide(p priority.Priority, key uint64) *fault.Error {
	v := m.view.Load()
	if p == 0 || !p.Valid() {
		p = priority.Normal
	}
	share := v.shares[p]
	if share == 0 || share < 1 && m.place(v, key) >= share {
		return nil
	}
	now := time.Now()
	if now.After(v.fresh) {
		m.failOpen(v)
		return nil
	}
	m.shed[p].Add(1)
	return v.refusal(p, share, now)
}

// place is where a call stands between 0 and 1; those below the share are refused.
func (m *Manager) place(v *view, key uint64) float64 {
	if key == 0 {
		return fraction(m.turn.Add(1) * golden)
	}
	return fraction(mix(key ^ v.salt))
}

// failOpen admits calls although the last sample says otherwise: it is too old. A sampler
// that is dead must not stop the service.
func (m *Manager) failOpen(v *view) {
	if !m.stale.CompareAndSwap(false, true) {
		return
	}
	m.options.log.Error("memory is not watched any more: no call is refused until it is", slog.Time("last_sample", v.at))
	m.changed.Emit(context.Background(), PressureChanged{From: v.level, To: Unknown, Cause: "the last sample is too old, of " + v.at.UTC().Format(time.RFC3339) + ": no call is refused"})
}

func (v *view) refusal(p priority.Priority, share float64, now time.Time) *fault.Error {
	wait := max(leastRetry, v.until.Sub(now))
	wait += time.Duration(rand.Float64() * float64(wait) / 2) // so that not all come back at once
	evidence := []fault.Fact{fault.Measure("share refused", share, "ratio")}
	message := fmt.Sprintf("memory pressure is %s (%s), which refuses %s of priority %s; come back later, or give what matters a higher priority",
		v.level, v.cause, portion(share), p)
	if v.known {
		evidence = append(evidence, fault.Against("memory used", float64(v.top.Used), float64(v.top.Limit), "bytes"))
	}
	return fault.New(fault.Spec{Code: fault.MemoryPressure, Component: component, Message: message, Evidence: evidence, RetryAt: now.Add(wait)})
}

func portion(share float64) string {
	if share >= 1 {
		return "all calls"
	}
	return percent(share) + " of the calls"
}
