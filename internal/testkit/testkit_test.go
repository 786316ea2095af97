package testkit_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/elixirscope/foundation/internal/testkit"
)

// fakeTB records how a test ended; the embedded nil interface panics for any
// method that a test of this package does not expect.
type fakeTB struct {
	testing.TB
	failed, skipped bool
}

func (f *fakeTB) Helper()               {}
func (f *fakeTB) Fatalf(string, ...any) { f.failed = true }
func (f *fakeTB) Skipf(string, ...any)  { f.skipped = true }

func TestMissing_NamesTheSuiteForTheLastLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "not-run")
	t.Setenv("CI", "")
	t.Setenv("FOUNDATION_SUITES_NOT_RUN", path)
	var tb fakeTB
	testkit.Missing(&tb, "postgres", "no initdb on the path")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(text), "postgres (no initdb on the path)\n"; got != want {
		t.Errorf("noted %q, want %q", got, want)
	}
	if !tb.skipped || tb.failed {
		t.Errorf("skipped %v, failed %v; want skipped only", tb.skipped, tb.failed)
	}
}

func TestMissing_FailsInCI(t *testing.T) {
	t.Setenv("CI", "true")
	t.Setenv("FOUNDATION_SUITES_NOT_RUN", "") // the fake does not end the test as the real Fatalf would
	var tb fakeTB
	testkit.Missing(&tb, "postgres", "no initdb on the path")
	if !tb.failed {
		t.Error("a suite that could not run passed in CI")
	}
}

func TestRounds_GrowUnderProve(t *testing.T) {
	t.Setenv("FOUNDATION_PROVE", "")
	if got := testkit.Rounds(10); got != 10 || testkit.Proving() {
		t.Errorf("Rounds(10) = %d, want 10", got)
	}
	t.Setenv("FOUNDATION_PROVE", "1")
	if got := testkit.Rounds(10); got != 200 || !testkit.Proving() {
		t.Errorf("Rounds(10) = %d under prove, want 200", got)
	}
}
