package perf

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/elixirscope/foundation/fault"
)

// Silence says that the alerts of an operation are known: they are shown and recorded, and
// nobody is called for them, until it ends. Silences end with the process.
type Silence struct {
	Operation string
	// Kind is the one kind that it is for; nil means all of them.
	Kind   *Kind
	Actor  string // who made it
	Reason string // why
	From   time.Time
	Until  time.Time
}

const (
	maxSilence  = 30 * 24 * time.Hour
	maxSilences = 1000
	maxReason   = 1024
)

// matches reports whether the silence is for an alert.
func (s *Silence) matches(operation string, k Kind) bool {
	return s.Operation == operation && (s.Kind == nil || *s.Kind == k)
}

func (s *Silence) same(o *Silence) bool {
	return s.Operation == o.Operation && (s.Kind == nil) == (o.Kind == nil) && (s.Kind == nil || *s.Kind == *o.Kind)
}

func (s *Silence) order(o *Silence) int {
	kind := func(k *Kind) int {
		if k == nil {
			return -1
		}
		return int(*k)
	}
	if c := strings.Compare(s.Operation, o.Operation); c != 0 {
		return c
	}
	return kind(s.Kind) - kind(o.Kind)
}

// Silence makes a silence of s, whose From is now, in the place of one for the same operation
// and kind. What is missing or out of bounds is refused with all its faults; an operation that
// is not watched with [fault.NotFound].
func (m *Monitor) Silence(s Silence) (Silence, error) {
	now := time.Now()
	s.From = now
	var ps fault.Problems
	ps.Require(s.Actor != "", "actor", "", "must say who is responsible")
	ps.Require(s.Reason != "", "reason", "", "must say why, for those who find the alert silent")
	ps.Require(len(s.Reason) <= maxReason, "reason", len(s.Reason), "must have at most %d bytes", maxReason)
	ps.Require(s.Until.After(now) && s.Until.Sub(now) <= maxSilence, "until", s.Until.Format(time.RFC3339), "must lie ahead, by at most 30 days")
	ps.Require(s.Kind == nil || *s.Kind < kindCount, "kind", s.Kind, "must be latency, errors, throughput or objective")
	if len(ps) > 0 {
		return Silence{}, fault.New(fault.Spec{Code: fault.InvalidArgument, Component: component, Name: s.Operation, Message: "the silence was not made", Problems: ps})
	}
	if err := m.silence(s, now); err != nil {
		return Silence{}, err
	}
	m.topics.silenced.Emit(context.Background(), AlertSilenced{Operation: s.Operation, Kind: s.kindText(), Actor: s.Actor, Reason: s.Reason, Until: s.Until})
	return s, nil
}

func (s *Silence) kindText() string {
	if s.Kind == nil {
		return ""
	}
	return s.Kind.String()
}

func (m *Monitor) silence(s Silence, now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.known[s.Operation]; !known {
		return m.unknownLocked(s.Operation)
	}
	m.expireSilencesLocked(now)
	m.silences = slices.DeleteFunc(m.silences, func(o Silence) bool { return o.same(&s) })
	if len(m.silences) >= maxSilences {
		return fault.New(fault.Spec{Code: fault.InvalidArgument, Component: component, Name: s.Operation, Message: "there are too many silences: end some first"})
	}
	m.silences = append(m.silences, s)
	slices.SortFunc(m.silences, func(a, b Silence) int { return a.order(&b) })
	return nil
}

// EndSilence ends the silence for an operation and a kind, or that for all kinds if kind is
// nil; [fault.NotFound] if there is none.
func (m *Monitor) EndSilence(operation string, kind *Kind, actor string) error {
	wanted := Silence{Operation: operation, Kind: kind}
	m.mu.Lock()
	m.expireSilencesLocked(time.Now())
	before := len(m.silences)
	m.silences = slices.DeleteFunc(m.silences, func(o Silence) bool { return o.same(&wanted) })
	found := len(m.silences) < before
	m.mu.Unlock()
	if !found {
		return fault.New(fault.Spec{Code: fault.NotFound, Component: component, Name: operation, Message: "there is no such silence"})
	}
	m.topics.silenced.Emit(context.Background(), AlertSilenced{Operation: operation, Kind: wanted.kindText(), Actor: actor, Reason: "ended", Until: time.Now()})
	return nil
}

// Silences lists those in force, in the order of their operations.
func (m *Monitor) Silences() []Silence {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expireSilencesLocked(time.Now())
	return slices.Clone(m.silences)
}

func (m *Monitor) expireSilencesLocked(now time.Time) {
	m.silences = slices.DeleteFunc(m.silences, func(s Silence) bool { return !s.Until.After(now) })
}

func (m *Monitor) silenceOfLocked(operation string, k Kind) (Silence, bool) {
	for i := range m.silences {
		if m.silences[i].matches(operation, k) {
			return m.silences[i], true
		}
	}
	return Silence{}, false
}
