package adminapi

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/fault"
)

// Each configuration takes many times its size in memory while it is read.
func TestTurns_FewAtATimeAndTheOthersWaitForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := NewTurns()
		releases := make([]func(), turnsAtOnce)
		for i := range releases {
			var err error
			if releases[i], err = turns.take(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		_, err := turns.take(t.Context())
		if f, ok := errors.AsType[*fault.Error](err); !ok || f.Code() != fault.Unavailable || f.RetryAfter() != turnPatience || time.Since(began) != turnPatience {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		left, leave := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, leave)
		if _, err := turns.take(left); !errors.Is(err, fault.Canceled) {
			t.Errorf("a client that left: %v", err)
		}
		time.AfterFunc(time.Second, releases[0])
		release, err := turns.take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		release()
		for _, release := range releases[1:] {
			release()
		}
		if len(turns.places) != 0 {
			t.Errorf("%d turns are taken", len(turns.places))
		}
	})
}
