package guard_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
)

// The page docs/coming-from-failsafe-go.md says what its policies become. These are its
// claims.

func TestComingFrom_ABulkheadRefusesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, err := guard.New("orders", guard.Config{Concurrency: 1})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		err = g.Do(t.Context(), func(ctx context.Context) error {
			err := g.Do(ctx, func(context.Context) error { t.Error("a full guard lets a call in"); return nil })
			if !errors.Is(err, fault.ConcurrencyLimited) || !fault.IsRefusal(err) {
				t.Errorf("a full guard answers %v", err)
			}
			return nil
		})
		if err != nil || time.Since(began) != 0 {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

func TestComingFrom_ATimeoutReplacesErrorsAndNoResults(t *testing.T) {
	late := errors.New("gone")
	synctest.Test(t, func(t *testing.T) {
		g, err := guard.New("orders", guard.Config{Timeout: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		err = g.Do(t.Context(), func(ctx context.Context) error { <-ctx.Done(); return late })
		if !errors.Is(err, fault.CallTimeout) || !errors.Is(err, late) || fault.IsRefusal(err) {
			t.Errorf("an error that is late: %v", err)
		}
		err = g.Do(t.Context(), func(context.Context) error { time.Sleep(2 * time.Second); return nil })
		if err != nil {
			t.Errorf("a success that is late: %v", err)
		}
		began := time.Now()
		_, err = guard.DoDetached(t.Context(), g, guard.Call{}, func(context.Context) (int, error) { time.Sleep(time.Minute); return 1, nil })
		if !errors.Is(err, fault.CallTimeout) || time.Since(began) != time.Second {
			t.Errorf("a function that ignores its context: %v after %v", err, time.Since(began))
		}
		time.Sleep(time.Minute) // for the function to end
	})
}
