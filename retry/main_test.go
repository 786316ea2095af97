package retry_test

import (
	"errors"
	"testing"

	"go.uber.org/goleak"

	"github.com/elixirscope/foundation/retry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errDown = errors.New("the dependency is down")

func newRetrier(tb testing.TB, cfg retry.Config, opts ...retry.Option) *retry.Retrier {
	tb.Helper()
	r, err := retry.New(cfg, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// longest makes every wait as long as it may be.
func longest() float64 { return 0.999999999 }

// none makes no wait at all.
func none() float64 { return 0 }
