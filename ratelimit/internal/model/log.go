package model

import (
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/ratelimit"
)

// logModel keeps every call for ever.
type logModel struct {
	c     ratelimit.Config
	calls []logCall
}

type logCall struct {
	at   clock.Instant
	cost int64
}

func (m *logModel) sum(now clock.Instant) int64 { return m.sumAfter(now, 0) }

func (m *logModel) sumAfter(now clock.Instant, d time.Duration) (sum int64) {
	for _, c := range m.calls {
		if now.Sub(c.at) < m.c.Per-d {
			sum += c.cost
		}
	}
	return sum
}

func (m *logModel) Peek(now clock.Instant, cost int64) Answer {
	sum := m.sum(now)
	a := Answer{OK: cost <= m.c.Limit-sum, Remaining: m.c.Limit - sum, takenAt: int64(now)}
	for _, c := range m.calls {
		if end := m.c.Per - now.Sub(c.at); end > 0 && c.cost > 0 {
			if a.ResetAfter = end; !a.OK && a.RetryAfter == 0 && cost <= m.c.Limit-m.sumAfter(now, end) {
				a.RetryAfter = end
			}
		}
	}
	return a
}

func (m *logModel) Allow(now clock.Instant, cost int64) Answer {
	a := m.Peek(now, cost)
	if a.OK {
		m.calls = append(m.calls, logCall{now, cost})
		after := m.Peek(now, 0)
		a.Remaining, a.ResetAfter = after.Remaining, after.ResetAfter
	}
	return a
}

func (m *logModel) Refund(_ clock.Instant, cost int64, given Answer) {
	for i := range m.calls {
		if int64(m.calls[i].at) == given.takenAt {
			back := min(cost, m.calls[i].cost)
			m.calls[i].cost -= back
			cost -= back
		}
	}
}

func (m *logModel) Plain(clock.Instant, int64, Answer) bool { return true }
