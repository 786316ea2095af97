package guard_test

import (
	"errors"
	"testing"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/outcome"
)

func TestALaterFailureRevokesASuccess(t *testing.T) {
	broken := errors.New("the body broke off")
	for name, c := range map[string]struct {
		before func(*guard.Token)
		opens  bool
	}{
		"settled as a success": {func(tok *guard.Token) { tok.Settle(outcome.Success, nil) }, true},
		"settled as neutral":   {func(tok *guard.Token) { tok.Settle(outcome.Ignored, nil) }, false},
		"not settled":          {func(*guard.Token) {}, true},
		"ended":                {func(tok *guard.Token) { tok.Done(nil) }, false},
		"closed":               {func(tok *guard.Token) { tok.Settle(outcome.Success, nil); tok.Close() }, false},
	} {
		b, err := breaker.New("upstream", breaker.Config{FailureThreshold: 1, Window: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		g, err := guard.New("checkout", guard.Config{Breaker: b, Concurrency: 1})
		if err != nil {
			t.Fatal(err)
		}
		tok, err := g.Enter(t.Context(), guard.Call{})
		if err != nil {
			t.Fatal(err)
		}
		c.before(tok)
		tok.Settle(outcome.Failure, broken)
		tok.Settle(outcome.Failure, broken)
		tok.Close()
		if got := b.State() == breaker.StateOpen; got != c.opens {
			t.Errorf("%s: open %v, want %v", name, got, c.opens)
		}
		b.Reset("test")
		if tok, err = g.Enter(t.Context(), guard.Call{}); errors.Is(err, fault.ConcurrencyLimited) {
			t.Errorf("%s: the place is still taken", name)
		}
		tok.Close()
	}
	new(guard.Token).Settle(outcome.Failure, broken)
}
