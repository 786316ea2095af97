package pool_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/pool"
)

// Conn stands for a connection to something.
type Conn struct{ id int }

// dial returns a function that makes connections, numbered from one.
func dial() func(context.Context) (*Conn, error) {
	n := 0
	return func(context.Context) (*Conn, error) {
		n++
		return &Conn{n}, nil
	}
}

func ExamplePool_With() {
	ctx := context.Background()
	p, err := pool.New("orders", pool.Config{Size: 2}, pool.Factory[*Conn]{New: dial()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close(ctx)

	err = p.With(ctx, func(_ context.Context, c *Conn) error {
		fmt.Println("connection", c.id)
		return nil
	})
	fmt.Println(err, p.Status().State)
	// Output:
	// connection 1
	// <nil> ready
}

func ExamplePool_Acquire() {
	ctx := context.Background()
	p, err := pool.New("orders", pool.Config{Size: 1, CheckoutTimeout: 10 * time.Millisecond}, pool.Factory[*Conn]{New: dial()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close(ctx)

	lease, err := p.Acquire(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer lease.Release()

	_, err = p.Acquire(ctx) // there is one worker, and it is borrowed
	if f, ok := errors.AsType[*fault.Error](err); ok {
		fmt.Println(f.Code(), f.Evidence())
	}
	fmt.Println(lease.Release(), lease.Release()) // a lease ends once
	// Output:
	// pool_timeout [in_use 1 of 1 workers waiting 0 of 1024 borrowers]
	// true false
}

func ExamplePool_TryAcquire() {
	ctx := context.Background()
	p, err := pool.New("orders", pool.Config{Size: 1}, pool.Factory[*Conn]{New: dial()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close(ctx)

	lease, err := p.TryAcquire(ctx)
	fmt.Println(lease.Value().id, err)
	_, err = p.TryAcquire(ctx)
	fmt.Println(errors.Is(err, fault.PoolFull))
	lease.Destroy()
	// Output:
	// 1 <nil>
	// true
}

func ExamplePool_Reconfigure() {
	ctx := context.Background()
	p, err := pool.New("orders", pool.Config{Size: 1}, pool.Factory[*Conn]{New: dial()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close(ctx)

	fmt.Println(p.Reconfigure(pool.Config{Size: 8, MaxOverflow: 2}))
	fmt.Println(p.Status().Available)
	err = p.Reconfigure(pool.Config{Size: 2, MinIdle: 3})
	fmt.Println(errors.Is(err, fault.InvalidConfig), p.Config().Size)
	// Output:
	// <nil>
	// 8
	// true 8
}

func ExampleNew() {
	_, err := pool.New("Orders\n", pool.Config{Size: -3}, pool.Factory[*Conn]{New: dial()})
	fmt.Println(err)
	// Output:
	// connection_pool "Orders\n": invalid_config: invalid configuration
	// 	name "Orders\n": a name has 1 to 128 bytes of printable text in UTF-8
	// 	size -3: use 0 to 1048576
}

func ExampleKindOf() {
	type options struct {
		Address string `yaml:"address"`
	}
	kind := pool.KindOf(func(o options) (pool.Factory[*Conn], error) {
		return pool.Factory[*Conn]{New: dial()}, nil // that would dial o.Address
	})

	o := kind.NewOptions() // what the section "options" of the configuration is read into
	p, err := kind.Open(context.Background(), "orders", pool.Config{}, o)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Name(), p.WorkerType(), p.Close(context.Background()))
	// Output: orders *pool_test.Conn <nil>
}
