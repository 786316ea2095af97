// Package upstreams chooses which of several hosts an attempt goes to, and leaves out those
// that fail.
//
// What is decided is decided by a pure state machine: a host that fails several times in a
// row, or much more often than the others, is ejected for a time that grows with each
// ejection and shrinks again while the host does well. Never are more than half of the hosts
// ejected. A host that returns gets a growing share of the attempts, and its first failure
// ejects it again. Where more than half of the hosts are ejected, fail their check or have a
// breaker that does not admit, it may be the gateway that is cut off, and the hosts are
// chosen from as if none of that were known.
//
// A [Set] is the machine behind a lock that no choice waits for: the choice reads an immutable
// view, and counts what is in flight in one atomic word for each host.
package upstreams
