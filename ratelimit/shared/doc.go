// Package shared is the contract for rate-limit counters that several processes
// share. A limiter of package ratelimit counts for its own process and does not pay
// for it.
//
// [Store] is what an implementation has to do; package storetest holds each to the
// vectors that bind the local limiter, so that a rule means the same wherever it is
// counted. [NewMemoryStore] is the reference.
package shared
