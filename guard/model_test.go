package guard_test

import (
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/outcome"
)

// ledger is the plain model.
type ledger struct {
	tokens, slots, detached int
	fails                   int
	state                   breaker.State
	until                   time.Time
	probing                 bool
	generation              int
	results                 map[guard.Result]uint64
	refused, would          map[fault.Code]uint64
	inFlight                int64
}

// permit is the model's breaker permit.
type permit struct {
	held       bool
	generation int
	probe      bool
}

func (m *ledger) move(to breaker.State) {
	m.state, m.generation, m.fails, m.probing = to, m.generation+1, 0, false
	if to == breaker.StateOpen {
		m.until = time.Now().Add(cooldown)
	}
}

// shut reports whether the breaker refuses now.
func (m *ledger) shut() bool {
	return m.state == breaker.StateOpen && time.Now().Before(m.until) || m.state == breaker.StateHalfOpen && m.probing
}

func (m *ledger) allow() permit {
	if m.state == breaker.StateOpen {
		m.move(breaker.StateHalfOpen)
	}
	if m.state == breaker.StateHalfOpen {
		m.probing = true
		return permit{true, m.generation, true}
	}
	return permit{true, m.generation, false}
}

func (m *ledger) settle(p permit, o outcome.Outcome) {
	if !p.held || p.generation != m.generation {
		return
	}
	switch {
	case o == outcome.Ignored && p.probe:
		m.probing = false
	case o == outcome.Failure && p.probe:
		m.move(breaker.StateOpen)
	case o == outcome.Success && p.probe:
		m.move(breaker.StateClosed)
	case o == outcome.Failure:
		if m.fails++; m.fails == threshold {
			m.move(breaker.StateOpen)
		}
	}
}

// failFast is a worker that could not be made.
func (m *ledger) failFast() {
	switch m.state {
	case breaker.StateClosed:
		m.settle(permit{true, m.generation, false}, outcome.Failure)
	default:
		m.move(breaker.StateOpen)
	}
}

// admission is the model's way through the stages. blown means that a stage
// panicked or ended the goroutine.
func (w *world) admission(detaching bool) (h held, ok, blown bool) {
	m := &w.m
	h = held{setting: w.s, began: time.Now()}
	if w.s.mode != mode.Off {
		code, boom := w.stages(&h)
		switch {
		case boom:
			w.release(&h)
			return h, false, true
		case code != fault.Code(0) && (w.s.mode == mode.Enforce || w.s.pool && isPool(code)):
			w.release(&h)
			m.refused[code]++
			return h, false, false
		case code != fault.Code(0):
			m.would[code]++
			w.release(&h)
			h = held{setting: w.s, began: h.began}
			h.setting.timeout = false // what would not have run would not have been late
		default:
			return h, true, false
		}
	}
	if w.s.pool && w.pool != grants {
		return h, false, w.countPool()
	}
	return h, true, false
}

func isPool(c fault.Code) bool {
	return c == fault.PoolFull || c == fault.WorkerFailed || c == fault.Canceled
}

// countPool is a pool's refusal that no mode can wave through.
func (w *world) countPool() (blown bool) {
	code, blown := poolCode(w.pool)
	if !blown {
		w.m.refused[code]++
	}
	return blown
}

func poolCode(a answer) (fault.Code, bool) {
	switch a {
	case refuses:
		return fault.PoolFull, false
	case cannotMake:
		return fault.WorkerFailed, false
	case cancels:
		return fault.Canceled, false
	default:
		return 0, true
	}
}

func (w *world) stages(h *held) (code fault.Code, blown bool) {
	m := &w.m
	if w.s.memory {
		switch w.memory {
		case refuses, cannotMake:
			return fault.MemoryPressure, false
		case explodes, vanishes:
			return 0, true
		}
	}
	if w.s.concurrency {
		if m.slots >= places {
			return fault.ConcurrencyLimited, false
		}
		m.slots++
		h.slot = true
	}
	if w.s.breaker && m.shut() {
		return fault.CircuitOpen, false
	}
	if w.s.limit {
		if m.tokens == 0 {
			return fault.RateLimited, false
		}
		m.tokens--
		h.token = true
	}
	if w.s.pool && w.pool != grants {
		code, blown := poolCode(w.pool)
		if code == fault.WorkerFailed && w.s.breaker {
			m.failFast()
		}
		return code, blown
	}
	if w.s.breaker {
		h.permit = m.allow()
	}
	return 0, false
}

// release gives back what a call holds that never ran.
func (w *world) release(h *held) {
	if h.slot {
		w.m.slots--
	}
	if h.token {
		w.m.tokens++
	}
	h.slot, h.token = false, false
}

// revoked turns a success into a failure: for the breaker and the limit, while the
// results keep what was told first.
func (w *world) revoked(h *held) {
	w.m.settle(permit{h.permit.held, h.permit.generation, false}, outcome.Failure)
	w.refund(h)
}

func (w *world) refund(h *held) {
	if h.token && h.setting.refund {
		w.m.tokens++
	}
}

// ended settles a call's outcome in the model.
func (w *world) ended(h *held, o outcome.Outcome, r guard.Result) {
	w.m.results[r]++
	w.m.settle(h.permit, o)
	if o == outcome.Failure {
		w.refund(h)
	}
}
