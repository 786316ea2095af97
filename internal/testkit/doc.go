// Package testkit holds what the tests of several packages share: a free port, whether the
// race detector is on, how long a test may search, and how a suite says that it
// could not run. No package imports it outside its tests.
package testkit
