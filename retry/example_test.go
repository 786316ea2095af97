package retry_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/elixirscope/foundation/retry"
)

var errBusy = errors.New("busy")

func Example() {
	payments, err := retry.New(retry.Config{Attempts: 4, Backoff: time.Millisecond}) // one for each dependency
	if err != nil {
		fmt.Println(err)
		return
	}
	attempts := 0
	err = payments.Do(context.Background(), func(context.Context) error {
		attempts++
		if attempts < 3 {
			return errBusy
		}
		return nil
	})
	fmt.Println(attempts, err)
	// Output: 3 <nil>
}

func ExampleDo() {
	orders, err := retry.New(retry.Config{Backoff: time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	order, err := retry.Do(context.Background(), orders, func(context.Context) (string, error) { return "order 17", nil })
	fmt.Println(order, err)
	// Output: order 17 <nil>
}

// An error that trying again cannot help is marked where it is made.
func ExampleFinal() {
	orders, err := retry.New(retry.Config{Backoff: time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	errNoSuchOrder := errors.New("there is no such order")
	attempts := 0
	err = orders.Do(context.Background(), func(context.Context) error {
		attempts++
		return retry.Final(errNoSuchOrder)
	})
	fmt.Println(attempts, err, errors.Is(err, errNoSuchOrder))
	// Output: 1 there is no such order true
}

// What the dependency asked for is waited for, and the random back-off on top.
func ExampleAfter() {
	orders, err := retry.New(retry.Config{Backoff: time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	began, attempts := time.Now(), 0
	err = orders.Do(context.Background(), func(context.Context) error {
		if attempts++; attempts == 1 {
			return retry.After(errBusy, 20*time.Millisecond)
		}
		return nil
	})
	fmt.Println(attempts, err, time.Since(began) >= 20*time.Millisecond)
	// Output: 2 <nil> true
}
