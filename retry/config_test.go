package retry_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/retry"
)

func TestConfig_ZeroIsTheDocumentedPolicy(t *testing.T) {
	want := retry.Config{
		Attempts: 3, Backoff: 50 * time.Millisecond, BackoffMax: 2 * time.Second, Budget: 0.2,
		RetryAfterMax: 10 * time.Second, Outcomes: []retry.Cause{retry.Failed, retry.TimedOut},
	}
	if got := (retry.Config{}).Effective(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	if got := want.Effective(); !reflect.DeepEqual(got, want) {
		t.Errorf("what is set became %+v", got)
	}
}

func TestConfig_OneBoundOfTheBackoffMovesTheDefaultOfTheOther(t *testing.T) {
	for _, tc := range []struct {
		given          retry.Config
		backoff, bound time.Duration
	}{
		{retry.Config{Backoff: time.Minute}, time.Minute, time.Minute},
		{retry.Config{BackoffMax: time.Millisecond}, time.Millisecond, time.Millisecond},
		{retry.Config{BackoffMax: time.Minute}, 50 * time.Millisecond, time.Minute},
	} {
		got := tc.given.Effective()
		if got.Backoff != tc.backoff || got.BackoffMax != tc.bound {
			t.Errorf("%+v became %v up to %v, want %v up to %v", tc.given, got.Backoff, got.BackoffMax, tc.backoff, tc.bound)
		}
		if err := got.Validate(); err != nil {
			t.Errorf("%+v: with its defaults it is refused: %v", tc.given, err)
		}
	}
}

func TestConfig_AllFaultsAtOnce(t *testing.T) {
	bad := retry.Config{
		Attempts: 100, Backoff: -1, BackoffMax: 2 * time.Hour, Budget: 1.1, AttemptTimeout: -time.Second,
		RetryAfterMax: 25 * time.Hour, Outcomes: []retry.Cause{retry.Failed, 9},
	}
	f, ok := errors.AsType[*fault.Error](bad.Validate())
	if !ok || f.Code() != fault.InvalidConfig {
		t.Fatalf("got %v", bad.Validate())
	}
	var fields []string
	for _, p := range f.Problems() {
		fields = append(fields, p.Field)
	}
	want := []string{"attempts", "backoff", "backoff_max", "attempt_timeout", "retry_after_max", "budget", "outcomes"}
	if !reflect.DeepEqual(fields, want) {
		t.Errorf("faults of %v, want %v:\n%v", fields, want, f)
	}
	if _, err := retry.New(bad); !errors.Is(err, fault.InvalidConfig) {
		t.Errorf("New answers %v", err)
	}
}

func TestConfig_Bounds(t *testing.T) {
	for _, good := range []retry.Config{
		{}, {Attempts: 1}, {Attempts: 10}, {Budget: 1}, {Budget: -1}, {Backoff: time.Hour}, {Outcomes: retry.Causes()},
	} {
		if err := good.Validate(); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
	for _, bad := range []retry.Config{
		{Attempts: -1}, {Attempts: 11}, {Budget: 1.0001}, {Backoff: 2, BackoffMax: 1}, {Backoff: time.Hour + 1}, {Outcomes: []retry.Cause{}},
	} {
		if err := bad.Validate(); err == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
}
