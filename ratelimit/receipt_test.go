package ratelimit_test

import (
	"context"
	"testing"

	"github.com/elixirscope/foundation/internal/testkit"
	"github.com/elixirscope/foundation/ratelimit"
)

// batches is a remote whose decisions share a receipt.
type batches struct {
	token ratelimit.Decision
	back  []ratelimit.Decision
	asks  []ratelimit.RemoteCall
}

func newBatches() *batches {
	b := &batches{}
	ask := ratelimit.RemoteCall{Rule: "test", Key: user, Cost: 100}
	b.token = ratelimit.Decision{OK: true, Source: ratelimit.Prefetched, Limit: 10, Mark: 7}.WithReceipt(b, ask)
	return b
}

func (b *batches) Take(_ context.Context, ask ratelimit.RemoteCall) (ratelimit.Decision, error) {
	d := b.token
	d.Taken = ask.Cost
	return d, nil
}

func (b *batches) Peek(context.Context, ratelimit.RemoteCall) (ratelimit.Decision, error) {
	return b.token, nil
}

func (b *batches) Refund(ask ratelimit.RemoteCall, d ratelimit.Decision) {
	b.back, b.asks = append(b.back, d), append(b.asks, ask)
}

func (b *batches) Reset(context.Context, ratelimit.RemoteCall) error { return nil }

func TestDecisionsMayShareAReceipt(t *testing.T) {
	l, child, b := must(t, ratelimit.Config{Limit: 10}), must(t, ratelimit.Config{Limit: 10}), newBatches()
	l.SetRemote(b)
	if err := child.SetParent(l); err != nil {
		t.Fatal(err)
	}
	one, three := l.AllowN(user, 1), l.AllowN(user, 3)
	three.Refund()
	one.Refund()
	one.Refund() // does nothing
	under := child.AllowN(user, 2)
	under.Refund()
	child.SetRemote(newBatches()) // then the two rules have a receipt each
	both := child.AllowN(user, 4)
	both.Refund()
	if len(b.back) != 4 {
		t.Fatalf("%+v", b.back)
	}
	for i, cost := range []int64{3, 1, 2, 4} {
		if d := b.back[i]; d.Taken != cost || d.Mark != 7 || d.Source != ratelimit.Prefetched || b.asks[i].Cost != cost || b.asks[i].Key.Text() != user.Text() {
			t.Errorf("refund %d: %+v of %+v", i, d, b.asks[i])
		}
	}
}

func TestASharedReceiptIsNotAllocatedAgain(t *testing.T) {
	l := must(t, ratelimit.Config{Limit: 10})
	l.SetRemote(newBatches())
	if n := testing.AllocsPerRun(100, func() { l.Allow(user) }); n > 0 && !testkit.Race {
		t.Errorf("%v allocations", n)
	}
}
