package guardtest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/guard/guardtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRefuseGivesEveryCode(t *testing.T) {
	for _, code := range fault.Codes() {
		g := guardtest.Refuse(code)
		err := g.Do(t.Context(), func(context.Context) error { t.Errorf("%v: ran", code); return nil })
		f, ok := errors.AsType[*fault.Error](err)
		if !ok || f.Code() != code || f.RetryAfter() <= 0 || f.RetryAfter() > time.Second {
			t.Errorf("%v: error %v", code, err)
		}
		if n := g.Status().Refused[code]; n != 1 {
			t.Errorf("%v: %d refusals counted", code, n)
		}
	}
}

func TestLendLendsTheSameWorkerToAll(t *testing.T) {
	type conn struct{}
	c := new(conn)
	db, err := guard.Bind[*conn](guardtest.Lend(c))
	if err != nil {
		t.Fatal(err)
	}
	same, err := guard.DoWith(t.Context(), db, guard.Call{}, func(ctx context.Context, outer *conn) (bool, error) {
		return guard.DoWith(ctx, db, guard.Call{}, func(_ context.Context, inner *conn) (bool, error) { return outer == c && inner == c, nil })
	})
	if !same || err != nil {
		t.Errorf("the same worker: %v, %v", same, err)
	}
}
