package fault

import (
	"fmt"
	"slices"
)

// Code says what kind of fault an [Error] is. Codes are a contract: their names
// appear in logs, events, HTTP bodies and metrics and never change meaning.
//
// A Code is itself an error, so that it serves as the sentinel of its kind:
//
//	if errors.Is(err, fault.CircuitOpen) { … }
type Code uint8

// The codes. "Refused" means that the guarded operation did not run.
const (
	codeInvalid Code = iota

	CircuitOpen        // refused: the circuit breaker is open
	RateLimited        // refused: the rate limit of the key is used up
	PoolFull           // refused: no worker is free and the caller would not wait
	PoolTimeout        // refused: no worker became free in time
	CallTimeout        // the operation ran past the guard's time limit
	Canceled           // the caller gave up
	MemoryPressure     // refused: memory is short and the call's priority too low
	ConcurrencyLimited // refused: too many calls are in flight
	WorkerFailed       // refused: no worker could be made, the dependency is failing
	OperationFailed    // the guarded operation failed
	NotFound           // no such name
	AlreadyExists      // the name is taken
	InvalidConfig      // a configuration is refused, see Problems
	InvalidArgument    // a call was made wrongly
	Conflict           // somebody else changed it first
	Forbidden          // not allowed for this caller or this place
	Unavailable        // a part of the layer cannot answer now
	DataCorrupt        // stored data fails its check
	Closed             // the part was closed
	Internal           // a defect of the layer itself
	InFlightLimited    // refused: too many calls of this key are in flight

	codeEnd
)

// Severity says how loudly a fault should be reported.
type Severity string

// The severities, in rising order.
const (
	SeverityInfo    Severity = "info"
	SeverityWarning Severity = "warning"
	SeverityError   Severity = "error"
)

// Category groups codes by whose affair the fault is.
type Category string

// The categories.
const (
	Protection Category = "protection" // the layer protected something
	Dependency Category = "dependency" // what is guarded failed
	Caller     Category = "caller"     // the caller asked for something impossible
	System     Category = "system"     // the layer or its storage failed
)

// row is what is known of a code. gRPC codes are plain numbers because this
// module does not require gRPC; they are those of google.golang.org/grpc/codes.
type row struct {
	name      string
	severity  Severity
	category  Category
	retryable bool
	refusal   bool
	http      int
	grpc      uint32
	title     string
}

var table = [codeEnd]row{
	codeInvalid:        {"unknown", SeverityError, System, false, false, 500, 2, "unknown fault"},
	CircuitOpen:        {"circuit_open", SeverityWarning, Protection, true, true, 503, 14, "circuit breaker is open"},
	RateLimited:        {"rate_limited", SeverityInfo, Protection, true, true, 429, 8, "rate limit reached"},
	PoolFull:           {"pool_full", SeverityWarning, Protection, true, true, 503, 8, "no worker is free"},
	PoolTimeout:        {"pool_timeout", SeverityWarning, Protection, true, true, 503, 8, "no worker became free in time"},
	CallTimeout:        {"call_timeout", SeverityWarning, Dependency, true, false, 504, 4, "call ran past its time limit"},
	Canceled:           {"canceled", SeverityInfo, Caller, false, true, 499, 1, "caller gave up"},
	MemoryPressure:     {"memory_pressure", SeverityWarning, Protection, true, true, 503, 8, "memory is short"},
	ConcurrencyLimited: {"concurrency_limited", SeverityWarning, Protection, true, true, 503, 8, "too many calls in flight"},
	WorkerFailed:       {"worker_failed", SeverityError, Dependency, true, true, 503, 14, "no worker could be made"},
	OperationFailed:    {"operation_failed", SeverityError, Dependency, false, false, 502, 13, "operation failed"},
	NotFound:           {"not_found", SeverityWarning, Caller, false, true, 404, 5, "not found"},
	AlreadyExists:      {"already_exists", SeverityWarning, Caller, false, true, 409, 6, "already exists"},
	InvalidConfig:      {"invalid_config", SeverityError, Caller, false, true, 400, 3, "invalid configuration"},
	InvalidArgument:    {"invalid_argument", SeverityWarning, Caller, false, true, 400, 3, "invalid argument"},
	Conflict:           {"conflict", SeverityInfo, Caller, true, true, 409, 10, "changed by somebody else"},
	Forbidden:          {"forbidden", SeverityWarning, Caller, false, true, 403, 7, "forbidden"},
	Unavailable:        {"unavailable", SeverityError, System, true, true, 503, 14, "unavailable"},
	DataCorrupt:        {"data_corrupt", SeverityError, System, false, false, 500, 15, "stored data is corrupt"},
	Closed:             {"closed", SeverityInfo, Caller, false, true, 503, 14, "closed"},
	Internal:           {"internal", SeverityError, System, false, false, 500, 13, "internal fault"},
	InFlightLimited:    {"in_flight_limited", SeverityInfo, Protection, true, true, 429, 8, "too many calls of one key in flight"},
}

func (c Code) row() *row {
	if c >= codeEnd {
		c = codeInvalid
	}
	return &table[c]
}

// String returns the code's name, as in "circuit_open".
func (c Code) String() string { return c.row().name }

// Error implements error, which makes the code a sentinel for errors.Is.
func (c Code) Error() string { return c.row().name }

// Title returns a short phrase for people, without the name of any part, so
// that it may be shown to the public.
func (c Code) Title() string { return c.row().title }

// Severity says how loudly the fault should be reported.
func (c Code) Severity() Severity { return c.row().severity }

// Category says whose affair the fault is.
func (c Code) Category() Category { return c.row().category }

// Retryable reports whether the same call may succeed later.
func (c Code) Retryable() bool { return c.row().retryable }

// Refusal reports whether the fault was made locally, before the operation ran:
// it says nothing bad about the dependency and must not count against it.
// [WorkerFailed] is the exception that a guard knows of; see [IsRefusal].
func (c Code) Refusal() bool { return c.row().refusal }

// HTTPStatus returns the status that a gateway answers with.
func (c Code) HTTPStatus() int { return c.row().http }

// GRPCCode returns the number of the gRPC status code.
func (c Code) GRPCCode() uint32 { return c.row().grpc }

// MarshalText implements [encoding.TextMarshaler].
func (c Code) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (c *Code) UnmarshalText(text []byte) error {
	code, ok := ParseCode(string(text))
	if !ok {
		return fmt.Errorf("%q is not a fault code", text)
	}
	*c = code
	return nil
}

// ParseCode returns the code with the given name.
func ParseCode(name string) (Code, bool) {
	i := slices.IndexFunc(table[1:], func(r row) bool { return r.name == name })
	return Code(i + 1), i >= 0
}

// Codes returns every code, in the order of their declaration.
func Codes() []Code {
	codes := make([]Code, 0, codeEnd-1)
	for c := codeInvalid + 1; c < codeEnd; c++ {
		codes = append(codes, c)
	}
	return codes
}

// Rank returns the place of s among the severities in rising order, from 0; -1 for a
// text that is none.
func (s Severity) Rank() int {
	return slices.Index([]Severity{SeverityInfo, SeverityWarning, SeverityError}, s)
}
