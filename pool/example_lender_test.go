package pool_test

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/pool"
)

// printers is a pool that was there before: a channel of what is free.
type printers chan *printer

type printer struct{ pages int }

func (p printers) Name() string             { return "printers" }
func (p printers) WorkerType() reflect.Type { return reflect.TypeFor[*printer]() }

func (p printers) Checkout(ctx context.Context, o pool.CheckoutOptions) (pool.Loan, error) {
	began := time.Now()
	select {
	case free := <-p:
		return pool.Loan{Item: &pool.Item{Worker: free}, Waited: time.Since(began)}, nil
	case <-ctx.Done():
		return pool.Loan{}, p.refuse(fault.Canceled)
	case <-time.After(o.Timeout):
		return pool.Loan{}, p.refuse(fault.PoolTimeout)
	}
}

func (p printers) Return(loan pool.Loan, fate pool.Fate) {
	worker, ok := loan.Item.Worker.(*printer)
	if !ok {
		return
	}
	if fate == pool.Destroy {
		worker = new(printer)
	}
	p <- worker
}

func (p printers) refuse(code fault.Code) error {
	return fault.New(fault.Spec{Code: code, Component: "connection_pool", Name: p.Name()})
}

// A guard lends the workers of any pool: four methods are all that it needs.
func ExampleLender() {
	var lender pool.Lender = make(printers, 1)
	lender.Return(pool.Loan{Item: &pool.Item{Worker: &printer{pages: 7}}}, pool.Reuse)

	loan, err := lender.Checkout(context.Background(), pool.CheckoutOptions{Timeout: time.Second})
	fmt.Println(loan.Item.Worker.(*printer).pages, err)
	lender.Return(loan, pool.Destroy)

	loan, err = lender.Checkout(context.Background(), pool.CheckoutOptions{Timeout: time.Second})
	fmt.Println(loan.Item.Worker.(*printer).pages, err)
	_, err = lender.Checkout(context.Background(), pool.CheckoutOptions{Timeout: time.Millisecond})
	fmt.Println(err)
	// Output:
	// 7 <nil>
	// 0 <nil>
	// connection_pool "printers": pool_timeout: no worker became free in time
}
