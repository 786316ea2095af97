// Package gateway is the reverse proxy of the daemon: HTTP in front of any
// upstream, each route behind a guard.
//
// A [Gateway] is an http.Handler over a table of routes that is replaced as a
// whole: [Prepare] does everything that can fail and touches nothing that runs,
// [Gateway.Use] swaps. A request that began keeps the table that it began with.
//
// # Whose failure
//
// An upstream that cannot be reached, times out or answers 5xx has failed. A client
// that hangs up, sends too much or holds up the copy has not made it fail. A response
// without a declared length may be aborted: decision 13 says why that is neutral.
//
// # Time
//
// The guard's timeout bounds the time to the response headers. A body may take
// as long as it likes while something moves at least every body idle timeout.
// Event streams, gRPC streams and upgraded connections are bounded by the idle
// timeout of their route only; they end when the gateway drains.
package gateway
