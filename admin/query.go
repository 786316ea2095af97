package admin

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/fault"
)

// The parameters of a request for a page of events, and of one that follows them.
var (
	pageParameters   = []string{"id", "type", "severity", "component", "name", "correlation", "since", "until", "after", "limit", "order"}
	streamParameters = []string{"type", "severity", "component", "name", "correlation", "since", "after"}
)

// newQueryReader reads the parameters of a request, of which those of many may stand more
// than once.
func newQueryReader(r *http.Request, known []string, many ...string) (*queryReader, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, refuse(fault.InvalidArgument, "the query cannot be read: "+err.Error())
	}
	p := &queryReader{values: values, now: time.Now(), many: many}
	p.check(known)
	return p, nil
}

// queryReader reads parameters and collects what is wrong with them.
type queryReader struct {
	values   url.Values
	problems fault.Problems
	now      time.Time
	many     []string // parameters that may stand more than once
}

// readQuery reads a query for events from the parameters of a request, and refuses it
// with all of their faults at once.
func readQuery(r *http.Request, known []string) (eventstore.Query, error) {
	p, err := newQueryReader(r, known, "component")
	if err != nil {
		return eventstore.Query{}, err
	}
	values := p.values
	q := eventstore.Query{
		ID: values.Get("id"), Type: values.Get("type"), Severity: fault.Severity(values.Get("severity")), Components: values["component"],
		Name: values.Get("name"), Correlation: values.Get("correlation"), Since: p.moment("since"), Until: p.moment("until"),
		After: p.number("after"), Limit: int(p.number("limit")),
	}
	if values.Has("order") {
		p.order(&q)
	}
	if f, is := errors.AsType[*fault.Error](q.Validate()); is {
		p.problems = append(p.problems, f.Problems()...)
	}
	return q, p.err()
}

// check refuses parameters that there are not, and those that stand twice.
func (p *queryReader) check(known []string) {
	for _, name := range slices.Sorted(maps.Keys(p.values)) {
		switch {
		case !slices.Contains(known, name):
			p.problems.Add(name, p.values.Get(name), "unknown parameter: this request takes %s", strings.Join(known, ", "))
		case len(p.values[name]) > 1 && !slices.Contains(p.many, name):
			p.problems.Add(name, strings.Join(p.values[name], ", "), "must be given once")
		}
	}
}

// moment reads a time: RFC 3339, or how long ago.
func (p *queryReader) moment(name string) time.Time {
	text := p.values.Get(name)
	if text == "" {
		return time.Time{}
	}
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return at
	}
	back, err := durationBack(text)
	if err != nil || back < 0 {
		p.problems.Add(name, text, "must be a time, as in 2026-01-31T12:00:00Z, or how long ago, as in 15m or 7d")
		return time.Time{}
	}
	return p.now.Add(-back)
}

// span reads a duration that is not negative.
func (p *queryReader) span(name string, otherwise time.Duration) time.Duration {
	text := p.values.Get(name)
	if text == "" {
		return otherwise
	}
	d, err := durationBack(text)
	if err != nil || d < 0 {
		p.problems.Add(name, text, "must be a duration, as in 10s or 5m")
		return otherwise
	}
	return d
}

// durationBack reads a duration that may begin with days, as in 7d or 1d12h.
func durationBack(text string) (time.Duration, error) {
	days, rest, ok := strings.Cut(text, "d")
	if !ok {
		return time.ParseDuration(text)
	}
	n, err := strconv.ParseUint(days, 10, 16)
	if err != nil {
		return 0, err
	}
	var more time.Duration
	if rest != "" {
		more, err = time.ParseDuration(rest)
	}
	if more < 0 {
		return more, err
	}
	return time.Duration(n)*24*time.Hour + more, err
}

func (p *queryReader) number(name string) uint64 {
	text := p.values.Get(name)
	if text == "" {
		return 0
	}
	bits := 64
	if name == "limit" {
		bits = 31
	}
	n, err := strconv.ParseUint(text, 10, bits)
	if err != nil {
		p.problems.Add(name, text, "must be a whole number of at least 0")
	}
	return n
}

func (p *queryReader) order(q *eventstore.Query) {
	if err := q.Order.UnmarshalText([]byte(p.values.Get("order"))); err != nil {
		p.problems.Add("order", p.values.Get("order"), "must be ascending or descending")
	}
}

func (p *queryReader) err() error {
	if len(p.problems) == 0 {
		return nil
	}
	return fault.New(fault.Spec{
		Code: fault.InvalidArgument, Component: "foundation", Name: "admin", Message: "the query is invalid", Problems: p.problems,
	})
}
