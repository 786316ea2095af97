// Package storetest holds every implementation of [shared.Store] to one
// meaning.
//
// # Usage
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) storetest.Harness { … })
//	}
//
// # The vectors
//
// vectors.json lists rules and sequences of calls with the decision that each
// must get. It was computed with fractions of unlimited size by the plain model
// of package ratelimit's tests, binds the local limiter as well as every store,
// and can be read by implementations in other languages:
//
//	{"name", "rule": {"algorithm", "limit", "per_ns", "burst"},
//	 "steps": [{"at_ns", "cost", "refund", "ok", "remaining", "retry_after_ns", "reset_after_ns"}]}
//
// Times are nanoseconds since the zero of the store's clock, where window 0 of
// the window algorithms begins. A step with "refund": n gives back what step n
// (counting from 1) took, and expects nothing. No vector gives back more to a store
// that knows when a call was made than to one that does not.
package storetest
