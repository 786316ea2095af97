package breaker_test

import (
	"errors"
	"testing"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/clock"
)

func TestPermit_RevokeAt(t *testing.T) {
	broken := errors.New("the body broke off")
	for name, c := range map[string]struct {
		before func(*breaker.Breaker, *breaker.Permit)
		mode   breaker.Mode
		opens  bool
	}{
		"a success":        {func(_ *breaker.Breaker, p *breaker.Permit) { p.Success() }, breaker.Enforce, true},
		"not settled":      {func(*breaker.Breaker, *breaker.Permit) {}, breaker.Enforce, false},
		"another era":      {func(b *breaker.Breaker, p *breaker.Permit) { p.Success(); b.Reset("test") }, breaker.Enforce, false},
		"a breaker is off": {func(_ *breaker.Breaker, p *breaker.Permit) { p.Success() }, breaker.Off, false},
	} {
		b, err := breaker.New("upstream", breaker.Config{FailureThreshold: 1, Window: time.Minute, Mode: c.mode})
		if err != nil {
			t.Fatal(err)
		}
		p := b.Allow()
		c.before(b, &p)
		p.RevokeAt(clock.Now(), broken)
		if got := b.State() == breaker.StateOpen; got != c.opens {
			t.Errorf("%s: open %v, want %v", name, got, c.opens)
		}
	}
	var zero breaker.Permit
	zero.RevokeAt(clock.Now(), broken)
}
