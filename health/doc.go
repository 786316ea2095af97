// Package health tells how a program is, from checks that run in the background and from
// what the parts of the program say of themselves.
//
// A [Check] is a function that returns nil, an error, or a [Warning]. An [Aggregator] runs
// the checks on a schedule, a bounded number at a time, each one never twice at a time.
// Whoever asks, be it a thousand probes at once, gets the last [Report]: to ask never runs
// a check.
//
// # From results to a status
//
// One result proves little. A check becomes worse after three worse results in a row and
// better after two better ones; its first result counts at once. A check whose results
// keep changing is flapping: it is at least a warning, does not become better until that
// ends, and its changes are not announced. A check that does not return in time has failed;
// one that also ignores its context is named, and not started again before it returns, so
// that it costs one goroutine and not one more each round.
//
// # From checks to the whole
//
// The [Criticality] of a component says what it does to the whole: the failure of a hard
// one is a failure, that of a soft one a warning, that of an optional one is only shown.
// A component that depends on one that is not well is impacted: it is shown below its root
// cause and not announced as a failure of its own. The score starts at 100 and loses the
// points that [Report.Deductions] lists.
//
// Readiness and liveness go by the components that were chosen for that, and by no other.
// A dependency that all instances share should not be chosen: when it fails, every instance
// would leave the load balancer at once.
package health
