// Package gateway is the reverse proxy of the daemon: HTTP in front of any
// upstream, each route behind a guard.
//
// A [Gateway] is an http.Handler over a table of routes that is replaced as a
// whole: [Prepare] does everything that can fail and touches nothing that runs,
// [Gateway.Use] swaps. A request that began keeps the table that it began with.
//
// # Whose failure
//
// What the guard of a route is told follows DESIGN of the layer: an upstream
// that cannot be reached, times out or answers 5xx failed; a client that hung up
// sent too much, or was the one waited for did not make it fail; and an answer
// without a declared length owes nobody its end.
//
// # Time
//
// The guard's timeout bounds the time to the response headers. A body may take
// as long as it likes while something moves at least every body idle timeout.
// Event streams, gRPC streams and upgraded connections are bounded by the idle
// timeout of their route only; they end when the gateway drains.
package gateway
