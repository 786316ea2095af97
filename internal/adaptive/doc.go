// Package adaptive computes a bound on concurrency from the latency of calls: pure
// functions of (state, sample, now).
//
// A sample is one attempt that ended: how long the call itself took, without any wait for a
// turn, a worker or a retry, and how many calls were in flight when it began. Samples are
// gathered in windows; a full window moves the limit once, by one of three algorithms:
//
//   - [Gradient2] of Netflix concurrency-limits (Gradient2Limit.java, Apache License 2.0;
//     https://github.com/Netflix/concurrency-limits): the limit is multiplied by the latency
//     without load over the latency now, between a half and one, and what may queue is added.
//   - [Vegas], after Brakmo and Peterson, "TCP Vegas: End to End Congestion Avoidance on a
//     Global Internet" (1995), as VegasLimit.java there has it: the limit goes up or down by a
//     step, as the estimated queue is below or above a bound.
//   - [AIMD], after Chiu and Jain (1989), as AIMDLimit.java there has it: up by one while calls
//     are in time, down to nine tenths when one runs out of time.
//
// # The baseline
//
// The first two compare with the latency without load. Netflix takes a long average of all
// samples for it, so that lasting overload becomes normal and the limit creeps up; or, for
// Vegas, the latency of an arbitrary call now and then, with the same effect. Here, the
// baseline rises only by what is measured while few calls are in flight: in a window that
// used less than a third of the limit, or in a probe. A probe lowers the limit for one window,
// below what the dependency works on at once by the baseline, and takes the latency found for
// the baseline. The first one comes as soon as calls use the limit; then one after the latency
// has held the limit down for 30 s, and one when it has fallen by half: a latency that does
// not fall with the calls in flight is not made by them.
package adaptive
