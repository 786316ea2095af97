package ratelimit

import (
	"fmt"
	"testing"
	"time"
)

// So many keys may come back that their receipts are not told apart.
func TestManyOverridesGoAtOnce(t *testing.T) {
	byKey := map[string]Override{}
	for i := range 20_000 {
		byKey[fmt.Sprint(i)] = Override{Limit: 20}
	}
	l, err := New("rule", Config{Limit: 10, Per: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	d := l.Allow(KeyOf(7))
	for range 2 {
		if err := l.SetOverrides(byKey); err != nil {
			t.Fatal(err)
		}
		if err := l.SetOverrides(nil); err != nil {
			t.Fatal(err)
		}
	}
	if r := l.setup.Load().engine.returned.Load(); r != nil && len(*r) > mostReturnees {
		t.Errorf("%d keys are remembered", len(*r))
	}
	if d.Refund(); l.Peek(KeyOf(7)).Remaining != 9 {
		t.Errorf("%+v", l.Peek(KeyOf(7)))
	}
	e := l.Allow(KeyOf(8))
	if e.Refund(); l.Peek(KeyOf(8)).Remaining != 10 {
		t.Error("a new receipt is void")
	}
}
