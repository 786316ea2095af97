// Package fault holds the one error type of the layer.
//
// An [Error] says what happened ([Code]), where (component and name), why (its
// evidence: the numbers that decided) and when to try again. It is immutable and
// may be shared: a breaker returns one prebuilt error for a whole open episode.
//
// # Usage
//
// Ask for the kind with errors.Is and a code, or for the details with
// errors.AsType:
//
//	if errors.Is(err, fault.RateLimited) { … }
//	if f, ok := errors.AsType[*fault.Error](err); ok { wait(f.RetryAfter()) }
//
// # What it does not carry
//
// No correlation id: that lives in the context and is added where an error is
// logged, stored or rendered. No stack: a refusal is not a defect. No text of
// the guarded operation beyond its own error, reachable through Unwrap.
package fault
