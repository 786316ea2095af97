// Package shared counts rate limits together with other processes. A limiter of package
// ratelimit counts for its own process and does not pay for it.
//
// [Store] is what an implementation has to do; package storetest holds each to the
// vectors that bind the local limiter, so that a rule means the same wherever it is
// counted. [NewMemoryStore] is the reference, and package adapters/redis has one for many
// processes.
//
// [Counters] are what limiters use a store by. They bound how long a call waits, repeat
// refusals without asking, take tokens of hot keys ahead, and decide by the instance's share
// of a limit while the store does not answer.
package shared
