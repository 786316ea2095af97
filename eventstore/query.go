package eventstore

import (
	"fmt"
	"slices"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/enum"
)

// The bounds of a page and of a query.
const (
	DefaultLimit  = 100      // events of a page, if the query does not say
	MaxLimit      = 10_000   // events of a page
	MaxPageBytes  = 16 << 20 // bytes of the events of a page by Event.Size; one event always fits
	maxComponents = 100
)

// Order is the order of a page.
type Order = enum.Of[orders]

// The orders.
const (
	Ascending  Order = iota // the oldest first, by Seq
	Descending              // the newest first, by Seq
)

type orders struct{}

func (orders) Names() (string, []string) { return "order", orderNames }

var orderNames = []string{"ascending", "descending"}

// Query says which events to find. What is empty does not restrict; the zero Query
// finds the oldest events of all.
type Query struct {
	// ID finds the one event with this id.
	ID string
	// Type is a pattern: * stands for any characters or none, ? for one character.
	Type string
	// Severity finds events of at least this severity.
	Severity fault.Severity
	// Components finds events of any of these kinds of part.
	Components []string
	// Name and Correlation find events with exactly these values.
	Name        string
	Correlation string
	// Since and Until bound Event.Time; both belong to the range.
	Since time.Time
	Until time.Time
	// After is the cursor: only events that follow this Seq in the order asked for,
	// 0 for all. Page.Next continues a page.
	After uint64
	// Limit is the greatest number of events in the page, at most MaxLimit; 0 means
	// DefaultLimit.
	Limit int
	// Order is Ascending or Descending, by Seq.
	Order Order
}

// Page is a part of what a query finds.
type Page struct {
	Events []Event `json:"items"`
	// Next is the cursor that continues the query. If the page is the last in
	// ascending order, it stands after everything that was stored, whether it matched
	// or not: the same query continued there finds exactly what is new.
	Next uint64 `json:"next"`
	// More says that there may be further events now. A page may then have fewer than
	// asked for, even none: a store bounds how much one Find looks through.
	More bool `json:"more"`
}

// Validate returns one invalid_argument fault of everything that is wrong with q.
func (q *Query) Validate() error {
	var ps fault.Problems
	if q.ID != "" {
		checkID(&ps, "id", q.ID)
	}
	if at := invalidPattern(q.Type); at >= 0 {
		ps.Add("type", quote(q.Type), "invalid pattern at byte %d: a type has letters, digits and _ . : / -, * stands for any characters and ? for one", at)
	}
	checkSeverity(&ps, q.Severity)
	ps.Require(len(q.Components) <= maxComponents, "components", len(q.Components), "must be at most %d", maxComponents)
	for i, c := range q.Components[:min(len(q.Components), maxComponents)] {
		checkText(&ps, fmt.Sprintf("components[%d]", i), c)
	}
	checkText(&ps, "name", q.Name)
	checkText(&ps, "correlation", q.Correlation)
	checkTime(&ps, "since", q.Since)
	checkTime(&ps, "until", q.Until)
	ps.Require(q.Since.IsZero() || q.Until.IsZero() || !q.Since.After(q.Until), "since", q.Since.Format(time.RFC3339Nano), "must not be later than until")
	ps.Require(0 <= q.Limit && q.Limit <= MaxLimit, "limit", q.Limit, "must be 1 to %d, or 0 for %d", MaxLimit, DefaultLimit)
	ps.Require(q.Order <= Descending, "order", q.Order, "must be ascending or descending")
	return invalid(ps, "the query is invalid")
}

// PageSize is the greatest number of events in a page: the Limit or its default.
func (q *Query) PageSize() int {
	if q.Limit == 0 {
		return DefaultLimit
	}
	return q.Limit
}

// Matches reports whether a page of the query may hold e. It does not look at Limit.
func (q *Query) Matches(e *Event) bool {
	return q.follows(e.Seq) &&
		(q.ID == "" || sameID(q.ID, e.ID)) &&
		(q.Type == "" || matchPattern(q.Type, e.Type)) &&
		e.Severity.Rank() >= q.Severity.Rank() &&
		(len(q.Components) == 0 || slices.Contains(q.Components, e.Component)) &&
		(q.Name == "" || q.Name == e.Name) &&
		(q.Correlation == "" || q.Correlation == e.Correlation) &&
		(q.Since.IsZero() || !e.Time.Before(q.Since)) &&
		(q.Until.IsZero() || !e.Time.After(q.Until))
}

func (q *Query) follows(seq uint64) bool {
	if q.After == 0 {
		return true
	}
	if q.Order == Descending {
		return seq < q.After
	}
	return seq > q.After
}
