package testkit

import "os"

// Proving reports whether the tests run under `make prove`, which has hours
// where `make test` has minutes.
func Proving() bool { return os.Getenv("FOUNDATION_PROVE") != "" }

// Rounds returns how often a test should repeat what it searches: n in an
// ordinary run, twenty times as often under `make prove`.
func Rounds(n int) int {
	if Proving() {
		return 20 * n
	}
	return n
}
