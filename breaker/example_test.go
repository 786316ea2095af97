package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/telemetry"
)

func Example() {
	payments, err := breaker.New("payments", breaker.Config{FailureThreshold: 2, Cooldown: 30 * time.Second})
	if err != nil {
		fmt.Println(err)
		return
	}
	charge := func(context.Context) error { return errors.New("connection refused") }
	for range 3 {
		err = payments.Do(context.Background(), charge)
		if errors.Is(err, fault.CircuitOpen) {
			fmt.Println("refused, charge was not called")
		} else {
			fmt.Println(err)
		}
	}
	// Output:
	// connection refused
	// connection refused
	// refused, charge was not called
}

func ExampleNew() {
	_, err := breaker.New("payments", breaker.Config{Window: -1, FailureRatio: 1.5})
	if f, ok := errors.AsType[*fault.Error](err); ok {
		for _, p := range f.Problems() {
			fmt.Println(p)
		}
	}
	// Output:
	// window -1ns: must be from 1ms to 24h0m0s
	// failure_ratio 1.5: must be above 0 and at most 1
}

func ExampleWithBus() {
	bus := telemetry.NewBus()
	_, _ = telemetry.Subscribe(bus, "log", func(_ context.Context, e breaker.StateChanged) {
		fmt.Println(e.Name, e.From, "→", e.To, "because of", e.Cause, e.Evidence[:1])
	})
	b, _ := breaker.New("payments", breaker.Config{FailureThreshold: 1}, breaker.WithBus(bus))
	_ = b.Do(context.Background(), func(context.Context) error { return errors.New("down") })
	// Output: payments closed → open because of failure_threshold [failures 1 of 1]
}

func ExampleConfig_classify() {
	errNotFound := errors.New("no such customer")
	b, _ := breaker.New("customers", breaker.Config{FailureThreshold: 1, Classify: func(err error) outcome.Outcome {
		if err == nil || errors.Is(err, errNotFound) {
			return outcome.Success // the service answered
		}
		return outcome.Failure
	}})
	_ = b.Do(context.Background(), func(context.Context) error { return errNotFound })
	fmt.Println(b.State())
	// Output: closed
}

func ExampleDo() {
	b, _ := breaker.New("prices", breaker.Config{})
	price, err := breaker.Do(context.Background(), b, func(context.Context) (int, error) { return 42, nil })
	fmt.Println(price, err)
	// Output: 42 <nil>
}

func ExampleBreaker_Do() {
	b, _ := breaker.New("payments", breaker.Config{CallTimeout: time.Millisecond})
	err := b.Do(context.Background(), func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	})
	fmt.Println(errors.Is(err, fault.CallTimeout))
	// Output: true
}

func ExampleBreaker_Allow() {
	b, _ := breaker.New("payments", breaker.Config{})
	permit := b.Allow()
	if !permit.OK() {
		fmt.Println(permit.Err())
		return
	}
	defer permit.Failure(nil) // counts only if nothing below is reached
	fmt.Println("calling")
	permit.Success()
	// Output: calling
}

// A call is prepared only if there is a point in it, and a preparation that fails
// counts against the dependency.
func ExampleBreaker_LookAt() {
	b, _ := breaker.New("payments", breaker.Config{FailureThreshold: 1})
	dial := func() error { return errors.New("connection refused") }
	for range 2 {
		look := b.LookAt(clock.Now())
		if !look.OK() {
			fmt.Println("not dialed:", errors.Is(look.Err(), fault.CircuitOpen))
			return
		}
		if err := dial(); err != nil {
			look.SettleAt(clock.Now(), outcome.Failure, err)
			fmt.Println(err)
		}
	}
	// Output:
	// connection refused
	// not dialed: true
}

// One clock read serves the permit and a log line, and an answer that breaks off
// while it is read turns the success into a failure.
func ExamplePermit_SettleAt() {
	b, _ := breaker.New("payments", breaker.Config{})
	permit := b.AllowAt(clock.Now())
	permit.SettleAt(clock.Now(), outcome.Success, nil) // the header came
	permit.SettleAt(clock.Now(), outcome.Failure, errors.New("the body broke off"))
	fmt.Println(b.Status().Totals.Successes, b.Status().Totals.Failures)
	// Output: 0 1
}

func ExampleBreaker_Status() {
	b, _ := breaker.New("payments", breaker.Config{FailureThreshold: 3})
	for range 2 {
		_ = b.Do(context.Background(), func(context.Context) error { return errors.New("down") })
	}
	s := b.Status()
	fmt.Println(s.State, s.Counted, s.LastErrors[0].Class)
	// Output: closed [failures 2 of 3] *errors.errorString
}

func ExampleBreaker_Reconfigure() {
	b, _ := breaker.New("payments", breaker.Config{FailureThreshold: 3})
	_ = b.Do(context.Background(), func(context.Context) error { return errors.New("down") })
	_ = b.Reconfigure(breaker.Config{FailureThreshold: 10})
	fmt.Println(b.Status().Counted, "revision", b.Status().Revision)
	// Output: [failures 1 of 10] revision 2
}

func ExampleBreaker_Force() {
	b, _ := breaker.New("payments", breaker.Config{})
	_ = b.Force(breaker.StateOpen, breaker.Override{Actor: "ada", Reason: "provider maintenance", For: time.Hour})
	fmt.Println(b.State(), b.Status().Override.Reason)
	b.Automatic("ada")
	fmt.Println(b.State())
	// Output:
	// open provider maintenance
	// closed
}

func ExampleBreaker_Force_closed() {
	b, _ := breaker.New("payments", breaker.Config{FailureThreshold: 1})
	_ = b.Force(breaker.StateClosed, breaker.Override{Actor: "ada", Reason: "false alarm", For: time.Hour})
	_ = b.Do(context.Background(), func(context.Context) error { return errors.New("down") })
	fmt.Println(b.State())
	// Output: closed
}

func ExampleBreaker_Reset() {
	b, _ := breaker.New("payments", breaker.Config{FailureThreshold: 1})
	_ = b.Do(context.Background(), func(context.Context) error { return errors.New("down") })
	b.Reset("ada")
	fmt.Println(b.State())
	// Output: closed
}

func ExampleBreaker_InjectRefusals() {
	b, _ := breaker.New("payments", breaker.Config{})
	_ = b.InjectRefusals(1)
	err := b.Do(context.Background(), func(context.Context) error { return nil })
	fmt.Println(err)
	// Output: circuit_breaker "payments": circuit_open: circuit breaker refuses a share of calls for a test (injected 1 ratio)
}

func ExampleConfig_Warnings() {
	cfg := breaker.Config{FailureThreshold: 5, FailureRatio: 0.5, MinCalls: 100}
	for _, w := range cfg.Warnings() {
		fmt.Println(w)
	}
	// Output: warning: failure_ratio 0.5: never decides: failure_threshold trips at 5 failures, the ratio needs 50
}

func ExampleGroup() {
	hosts, _ := breaker.NewGroup("hosts", breaker.Config{FailureThreshold: 1}, 1000)
	_ = hosts.For("a.example.org").Do(context.Background(), func(context.Context) error { return errors.New("down") })
	for _, member := range hosts.Members() {
		fmt.Println(member.Status().Member, member.State())
	}
	fmt.Println("b.example.org", hosts.For("b.example.org").State())
	// Output:
	// a.example.org open
	// b.example.org closed
}

func ExampleBreaker_Collect() {
	b, _ := breaker.New("payments", breaker.Config{})
	b.Collect(func(s telemetry.Sample) {
		if s.Desc.Name == "foundation_breaker_state" {
			fmt.Println(s.Desc.Name, s.Labels, s.Value)
		}
	})
	// Output:
	// foundation_breaker_state [payments closed] 1
	// foundation_breaker_state [payments open] 0
	// foundation_breaker_state [payments half_open] 0
	// foundation_breaker_state [payments forced_open] 0
	// foundation_breaker_state [payments forced_closed] 0
}
