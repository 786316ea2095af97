package testkit

import (
	"fmt"
	"os"
	"testing"
)

// Missing ends the test because the real component that its suite needs is not
// on this machine. It is the one way in which a test may not run: `make test`
// names the suite in the last line of its output, and where CI=true, which
// installs what is missing beforehand, it is a failure.
func Missing(tb testing.TB, suite, why string) {
	tb.Helper()
	if os.Getenv("CI") == "true" {
		tb.Fatalf("%s could not run: %s", suite, why)
	}
	if err := note(suite, why); err != nil {
		tb.Fatalf("%s could not run (%s), and that could not be noted: %v", suite, why, err)
	}
	tb.Skipf("%s could not run: %s", suite, why)
}

// note appends the suite to the file that `make test` reads at its end. Tests of
// several packages run at once: one short write to a file opened for appending
// stays whole.
func note(suite, why string) error {
	path := os.Getenv("FOUNDATION_SUITES_NOT_RUN")
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err = fmt.Fprintf(f, "%s (%s)\n", suite, why); err != nil {
		return err
	}
	return f.Close()
}
