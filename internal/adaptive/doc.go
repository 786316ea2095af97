// Package adaptive computes a bound on concurrency from the latency of calls: pure
// functions of (state, sample, now).
//
// A sample is one attempt that ended: how long the call itself took, without any wait for a
// turn, a worker or a retry, and how many calls were in flight when it began. Samples are
// gathered in windows; a full window moves the limit once, by [Gradient2] of Netflix
// concurrency-limits (Gradient2Limit.java, Apache License 2.0;
// https://github.com/Netflix/concurrency-limits): the limit is multiplied by the latency without
// load over the latency now, and what may queue is added. Twice the latency without load is
// tolerated, and calls that run out of time count.
//
// # The baseline
//
// Netflix takes a long average of all samples for the latency without load, so that lasting
// overload slowly becomes normal, and a latency that rose for another reason is taken for load
// until then. Here, the baseline rises only by what is measured while few calls are in
// flight: in a window that used less than a third of the limit, or in a probe. A probe
// lowers the limit for one window, below what the dependency works on at once by the
// baseline, and takes the latency found for the baseline. The first one comes as soon as
// calls use the limit; then one after the latency has held the limit down for 30 s, and one
// when it has fallen by half: a latency that does not fall with the calls in flight is not
// made by them.
//
// docs/decisions/0020 says which algorithms were compared.
package adaptive
