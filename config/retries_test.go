package config_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/retry"
)

func TestRetries_AreRead(t *testing.T) {
	c := parse(t, `
version: 1
retries:
  standard: { attempts: 4, backoff: 10ms, backoff_max: 1s, budget: 0, attempt_timeout: 500ms, count_attempts: true, retry_after_max: 3s, outcomes: [timeout, refused] }
guards: { g: { retry: standard } }`)
	want := retry.Config{
		Attempts: 4, Backoff: 10 * time.Millisecond, BackoffMax: time.Second, Budget: -1, AttemptTimeout: 500 * time.Millisecond,
		CountAttempts: true, RetryAfterMax: 3 * time.Second, Outcomes: []retry.Cause{retry.TimedOut, retry.Refused},
	}
	if got := c.Retries["standard"]; !reflect.DeepEqual(got, want) || c.Guards["g"].Retry != "standard" || c.Guards["g"].Config.Retry != nil {
		t.Errorf("got %+v, guard %+v", got, c.Guards["g"])
	}
}

func TestRetries_AnAttemptAsLongAsTheCallIsWarnedOf(t *testing.T) {
	c := parse(t, `
version: 1
retries: { r: { attempt_timeout: 2s } }
guards: { g: { retry: r, timeout: 2s }, h: { retry: r, timeout: 3s }, i: { retry: r } }`)
	w, err := c.Validate(registry)
	if err != nil || len(w) != 1 || w[0].Field != "guards.g.retry" {
		t.Errorf("%v, %v", w, err)
	}
}

func TestRetries_AChangeKeepsWhatWasUsed(t *testing.T) {
	before := parse(t, "version: 1\nretries: { r: { attempts: 2 } }\nguards: { g: { retry: r } }")
	after := parse(t, "version: 1\nretries: { r: { attempts: 4 } }\nguards: { g: { retry: r } }")
	changes := config.Diff(before, after)
	if len(changes) != 1 || changes[0].Renewed || changes[0].Restart ||
		changes[0].String() != "retries.r changed: attempts 2 → 4; the next call of its guards sees the new settings, budgets keep what was used" {
		t.Errorf("changes %v", changes)
	}
}
