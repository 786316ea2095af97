// Package guardtest has guards for the tests of code that uses guards.
//
//	checkout := shop.New(guardtest.Admit())                       // nothing is in the way
//	checkout := shop.New(guardtest.Refuse(fault.RateLimited))     // everything is refused
//	orders := shop.New(guardtest.Lend(fakeConn))                  // calls get this worker
//
// All are real guards, so what they count can be asserted through their status.
package guardtest

import (
	"context"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/pool"
)

// Admit returns a guard that protects with nothing: every call runs, and its
// error is passed on as it is.
func Admit() *guard.Guard { return mustNew("admit", guard.Config{}) }

// Refuse returns a guard that refuses every call with a *[fault.Error] of the
// given code, to be retried after a second. Calls that release memory are
// exempt, because the refusal stands where that of memory would.
func Refuse(code fault.Code) *guard.Guard {
	return mustNew("refuse", guard.Config{Admission: refuser(code)})
}

// Lend returns a guard with a pool that lends worker to every call, also to
// several at once.
func Lend[W any](worker W) *guard.Guard {
	return mustNew("lend", guard.Config{Pool: lender{&pool.Item{Worker: worker}, reflect.TypeFor[W]()}})
}

// lender is a pool of one worker that everybody may have.
type lender struct {
	item *pool.Item
	of   reflect.Type
}

var _ pool.Lender = lender{}

func (lender) Name() string                { return "lend" }
func (lender) Return(pool.Loan, pool.Fate) {}
func (l lender) WorkerType() reflect.Type  { return l.of }

func (l lender) Checkout(context.Context, pool.CheckoutOptions) (pool.Loan, error) {
	return pool.Loan{Item: l.item}, nil
}

// refuser stands in the first stage, so that nothing else happens.
type refuser fault.Code

// Refusing implements [guard.Admitter].
func (refuser) Refusing() *atomic.Uint32 { return nil }

// Admit implements [guard.Admitter].
func (r refuser) Admit(context.Context, guard.Call) *fault.Error {
	return fault.New(fault.Spec{
		Code: fault.Code(r), Component: "guard", Name: "refuse", Message: "refused for a test", RetryAt: time.Now().Add(time.Second),
	})
}

func mustNew(name string, cfg guard.Config) *guard.Guard {
	g, err := guard.New(name, cfg)
	if err != nil {
		panic("guardtest: " + err.Error()) // the configurations are ours
	}
	return g
}
