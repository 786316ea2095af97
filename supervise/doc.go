// Package supervise keeps services running.
//
// A [Service] is what runs in the background until its context ends: a watch, a
// recorder, a consumer. A [Tree] starts services in the order in which they are
// added, starts one again that ends, and stops them in reverse order, within a
// bound. A panic and runtime.Goexit are failures like any other.
//
// The back-off is each service's own: one that always fails does not slow its
// neighbours, and there is no number of failures at which a tree takes down what
// works. (Supervisors that count the failures of all their services together do
// both; for that reason none of the known libraries is used here.) A service that
// is not to be started again says so with [Permanent].
//
// [Tree.Status] says of each service what it does now, since when, how often it
// failed and why, and when it will be tried again.
package supervise
