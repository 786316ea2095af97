//go:build !race

package testkit

// Race reports whether the race detector is on. It changes what allocates, so a
// test of allocations asserts only without it.
const Race = false
