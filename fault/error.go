package fault

import (
	"encoding/json"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/elixirscope/foundation/internal/errtree"
)

// Fact is one number that decided, beside the bound that it was held against.
type Fact struct {
	Name  string
	Value float64
	// Limit is meaningful only if Bounded is true: zero is a legal limit.
	Limit   float64
	Bounded bool
	// Unit is empty for counts, else a word such as "seconds" or "ratio".
	Unit string
}

// Measure returns a fact without a bound.
func Measure(name string, value float64, unit string) Fact {
	return Fact{Name: name, Value: value, Unit: unit}
}

// Against returns a fact that was held against a limit.
func Against(name string, value, limit float64, unit string) Fact {
	return Fact{Name: name, Value: value, Limit: limit, Bounded: true, Unit: unit}
}

// String renders the fact as in "failures 5 of 5".
func (f Fact) String() string {
	s := f.Name + " " + number(f.Value)
	if f.Bounded {
		s += " of " + number(f.Limit)
	}
	if f.Unit != "" {
		s += " " + f.Unit
	}
	return s
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }

// Spec is what an [Error] is made of. Code is required; the rest may be zero.
type Spec struct {
	Code      Code
	Component string // the kind of part, as in "circuit_breaker"
	Name      string // the configured name of the part
	// Message is one sentence for people: why it happened and what to do. Empty
	// means the code's title.
	Message string
	// Evidence belongs to the Error from then on and must not be changed.
	Evidence []Fact
	// RetryAt is when the call may succeed; zero means that nobody knows.
	RetryAt time.Time
	// Problems are the single faults of a refused configuration.
	Problems []Problem
	// Quota is what the rate limit that refused may tell, nil if none did. It belongs
	// to the Error as Evidence does.
	Quota *Quota
	// Cause is the error underneath, reachable with Unwrap.
	Cause error
}

// Error is a structured fault. It is immutable, so it may be shared between
// goroutines and returned many times. Only [New] makes one. A nil *Error that was
// returned as an error, which is then not nil, is a fault of unknown code that says
// so: its methods do not panic.
type Error struct {
	spec Spec
}

// nilError is what the methods of a nil *Error read.
var nilError = Spec{Message: "a nil *fault.Error was returned as an error, which is not nil: return nil"}

func (e *Error) read() *Spec {
	if e == nil {
		return &nilError
	}
	return &e.spec
}

// New returns an error made of s. It allocates once.
func New(s Spec) *Error { return &Error{spec: s} }

// Code says what kind of fault this is.
func (e *Error) Code() Code { return e.read().Code }

// Component names the kind of part that reported the fault.
func (e *Error) Component() string { return e.read().Component }

// Name is the configured name of the part, empty where there is none.
func (e *Error) Name() string { return e.read().Name }

// Message is one sentence for people.
func (e *Error) Message() string {
	s := e.read()
	if s.Message == "" {
		return s.Code.Title()
	}
	return s.Message
}

// Evidence lists the numbers that decided. The slice is shared: do not change it.
func (e *Error) Evidence() []Fact { return e.read().Evidence }

// Problems lists the single faults of a refused configuration. The slice is
// shared: do not change it.
func (e *Error) Problems() []Problem { return e.read().Problems }

// Quota is what the rate limit that refused may tell; it reports false if none did.
func (e *Error) Quota() (q Quota, ok bool) {
	if quota := e.read().Quota; quota != nil {
		return *quota, true
	}
	return Quota{}, false
}

// RetryAt is the moment from which the call may succeed; the zero time means
// that it is not known.
func (e *Error) RetryAt() time.Time { return e.read().RetryAt }

// RetryAfter is the time that remains until [Error.RetryAt], measured now and
// never negative; 0 also when it is not known.
func (e *Error) RetryAfter() time.Duration {
	at := e.RetryAt()
	if at.IsZero() {
		return 0
	}
	return max(0, time.Until(at))
}

// Timeout reports whether time ran out: that of a call, or that of a wait for a
// worker. [net.Error] and [net/url.Error] ask for it.
func (e *Error) Timeout() bool { return e.Code() == CallTimeout || e.Code() == PoolTimeout }

// Unwrap returns the error underneath, or nil.
func (e *Error) Unwrap() error { return e.read().Cause }

// Is reports whether target is this error's [Code].
func (e *Error) Is(target error) bool {
	code, ok := target.(Code)
	return ok && code == e.Code()
}

// IsRefusal reports whether err says only that a protection refused: it is an
// [Error], wrapped or not, whose code is a refusal other than [WorkerFailed]. That
// says nothing about the dependency, so a breaker ignores it. A guard also ignores a
// WorkerFailed whose cause is that this machine ran out of something. An error that
// joins several, as errors.Join makes, is a refusal only if each of them is one: a
// failure among them must not be overlooked. IsRefusal(nil) is false.
func IsRefusal(err error) bool {
	return refuses(err) && errtree.All(err, refuses)
}

func refuses(err error) bool {
	f, ok := errors.AsType[*Error](err)
	return ok && f.Code().Refusal() && f.Code() != WorkerFailed
}

// Error renders the fault on one line, as in
//
//	circuit_breaker "payments": circuit_open: circuit breaker is open (failures 5 of 5); retry in 2.5s
//
// and, for a refused configuration, each problem on a line of its own.
func (e *Error) Error() string {
	var b strings.Builder
	s := e.read()
	if s.Component != "" {
		b.WriteString(s.Component)
		if s.Name != "" {
			b.WriteString(" " + strconv.Quote(s.Name))
		}
		b.WriteString(": ")
	}
	b.WriteString(s.Code.String() + ": " + e.Message())
	e.writeEvidence(&b)
	if after := e.RetryAfter(); after > 0 {
		b.WriteString("; retry in " + after.Round(time.Millisecond).String())
	}
	if s.Cause != nil {
		b.WriteString(": " + s.Cause.Error())
	}
	for _, p := range s.Problems {
		b.WriteString("\n\t" + p.String())
	}
	return b.String()
}

func (e *Error) writeEvidence(b *strings.Builder) {
	for i, f := range e.Evidence() {
		b.WriteString([2]string{" (", ", "}[min(i, 1)] + f.String())
	}
	if len(e.Evidence()) > 0 {
		b.WriteString(")")
	}
}

// MarshalJSON renders the whole fault, evidence included: for the admin API,
// events and logs. What the public may see is decided by who renders it.
func (e *Error) MarshalJSON() ([]byte, error) {
	type fact struct {
		Name  string   `json:"name"`
		Value float64  `json:"value"`
		Limit *float64 `json:"limit,omitempty"`
		Unit  string   `json:"unit,omitempty"`
	}
	s := e.read()
	facts := make([]fact, 0, len(s.Evidence))
	for i := range s.Evidence {
		f := &s.Evidence[i]
		out := fact{Name: f.Name, Value: f.Value, Unit: f.Unit}
		if f.Bounded {
			out.Limit = &f.Limit
		}
		facts = append(facts, out)
	}
	var cause string
	if s.Cause != nil {
		cause = s.Cause.Error()
	}
	return json.Marshal(struct {
		Code       Code      `json:"code"`
		Severity   Severity  `json:"severity"`
		Category   Category  `json:"category"`
		Component  string    `json:"component"`
		Name       string    `json:"name"`
		Message    string    `json:"message"`
		Retryable  bool      `json:"retryable"`
		RetryAfter float64   `json:"retry_after_seconds"`
		Evidence   []fact    `json:"evidence"`
		Problems   []Problem `json:"problems,omitempty"`
		Cause      string    `json:"cause,omitempty"`
	}{
		s.Code, s.Code.Severity(), s.Code.Category(), s.Component, s.Name, e.Message(),
		s.Code.Retryable(), e.RetryAfter().Seconds(), facts, s.Problems, cause,
	})
}

// LogValue implements [slog.LogValuer].
func (e *Error) LogValue() slog.Value {
	s := e.read()
	attrs := []slog.Attr{
		slog.String("code", s.Code.String()),
		slog.String("component", s.Component),
		slog.String("name", s.Name),
		slog.String("message", e.Message()),
	}
	for _, f := range s.Evidence {
		attrs = append(attrs, slog.Float64(f.Name, f.Value))
	}
	if !s.RetryAt.IsZero() {
		attrs = append(attrs, slog.Duration("retry_after", e.RetryAfter()))
	}
	if s.Cause != nil {
		attrs = append(attrs, slog.String("cause", s.Cause.Error()))
	}
	return slog.GroupValue(attrs...)
}
