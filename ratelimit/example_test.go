package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/telemetry"
)

func ExampleNew() {
	perUser, err := ratelimit.New("per_user", ratelimit.Config{Limit: 100, Per: time.Minute, Burst: 2})
	if err != nil {
		panic(err)
	}
	for range 3 {
		d := perUser.Allow(ratelimit.KeyOf("user", 42))
		fmt.Println(d.OK, d.Remaining, errors.Is(d.Err(), fault.RateLimited))
	}
	// Output:
	// true 1 false
	// true 0 false
	// false 0 true
}

func ExampleLimiter_AllowN() {
	bytes, _ := ratelimit.New("upload", ratelimit.Config{Limit: 1000, Per: time.Hour})
	d := bytes.AllowN(ratelimit.KeyOf("acme"), 700)
	fmt.Println(d.OK, d.Remaining)
	d = bytes.AllowN(ratelimit.KeyOf("acme"), 700) // refused, and takes nothing
	fmt.Println(d.OK, d.Remaining)
	d = bytes.AllowN(ratelimit.KeyOf("acme"), 2000)
	fmt.Println(errors.Is(d.Err(), fault.InvalidArgument))
	// Output:
	// true 300
	// false 300
	// true
}

func ExampleLimiter_Wait() {
	mails, _ := ratelimit.New("mails", ratelimit.Config{Limit: 100, Per: time.Second, Burst: 1})
	start := time.Now()
	for range 3 {
		if err := mails.Wait(context.Background(), ratelimit.Key{}); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(time.Since(start) >= 20*time.Millisecond)

	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	fmt.Println(errors.Is(mails.Wait(ctx, ratelimit.Key{}), fault.RateLimited)) // at once: it cannot be in time
	// Output:
	// true
	// true
}

func ExampleLimiter_Reserve() {
	jobs, _ := ratelimit.New("jobs", ratelimit.Config{Limit: 1, Per: time.Minute})
	jobs.Allow(ratelimit.Key{})
	r := jobs.Reserve(ratelimit.Key{}, 1)
	fmt.Println(r.OK, r.Delay().Round(time.Minute))
	r.Cancel() // the job is not worth the wait
	// Output: true 1m0s
}

func ExampleLimiter_Peek() {
	l, _ := ratelimit.New("api", ratelimit.Config{Limit: 5, Per: time.Hour})
	l.AllowN(ratelimit.KeyOf("user", 42), 3)
	d := l.Peek(ratelimit.ParseKey("user/42"))
	fmt.Printf("%d of %d remain, full again in %v\n", d.Remaining, d.Limit, d.ResetAfter.Round(time.Minute))
	// Output: 2 of 5 remain, full again in 36m0s
}

func ExampleLimiter_Reset() {
	logins, _ := ratelimit.New("logins", ratelimit.Config{Limit: 1, Per: time.Hour})
	user := ratelimit.KeyOf("user", 42)
	logins.AllowN(user, 1)
	if err := logins.Reset(user, ""); err != nil { // only of a limiter with a remote
		fmt.Println(err)
	}
	d := logins.Allow(user)
	fmt.Println(d.OK)
	// Output: true
}

func ExampleDecision_Refund() {
	l, _ := ratelimit.New("api", ratelimit.Config{Limit: 5, Per: time.Hour})
	d := l.AllowN(ratelimit.Key{}, 3)
	d.Refund() // the call did not happen after all
	d.Refund() // does nothing
	p := l.Peek(ratelimit.Key{})
	fmt.Println(p.Remaining)
	// Output: 5
}

func ExampleLimiter_SetParent() {
	perOrg, _ := ratelimit.New("per_org", ratelimit.Config{Limit: 5, Per: time.Hour, Parts: 1})
	perUser, _ := ratelimit.New("per_user", ratelimit.Config{Limit: 3, Per: time.Hour})
	if err := perUser.SetParent(perOrg); err != nil {
		fmt.Println(err)
	}
	for _, user := range []string{"alice", "alice", "alice", "alice", "bob", "bob", "bob"} {
		d := perUser.Allow(ratelimit.KeyOf("acme", user))
		fmt.Print(user, " ", d.OK, "; ")
	}
	// Output: alice true; alice true; alice true; alice false; bob true; bob true; bob false;
}

func ExampleLimiter_Reconfigure() {
	l, _ := ratelimit.New("api", ratelimit.Config{Limit: 10, Per: time.Hour})
	l.AllowN(ratelimit.Key{}, 8)
	if err := l.Reconfigure(ratelimit.Config{Limit: 12, Per: time.Hour}); err != nil {
		fmt.Println(err)
	}
	p := l.Peek(ratelimit.Key{}) // what was taken stays taken
	fmt.Println(p.Remaining, "of", p.Limit)
	// Output: 4 of 12
}

func ExampleLimiter_Status() {
	l, _ := ratelimit.New("api", ratelimit.Config{Limit: 1, Per: time.Hour})
	for range 4 {
		l.Allow(ratelimit.KeyOf("10.0.0.7"))
	}
	for _, k := range l.Status().TopDenied {
		fmt.Println(k.Key, k.Denied)
	}
	// Output: 10.0.0.7 3
}

func ExampleDecision_WouldRefuse() {
	l, _ := ratelimit.New("api", ratelimit.Config{Limit: 1, Per: time.Hour, Mode: mode.Shadow})
	l.Allow(ratelimit.Key{})
	d := l.Allow(ratelimit.Key{})
	fmt.Println(d.OK, d.WouldRefuse(), l.Status().WouldRefuse)
	// Output: true true 1
}

func ExampleRequestDenied() {
	bus := telemetry.NewBus()
	_, _ = telemetry.Subscribe(bus, "print", func(_ context.Context, e ratelimit.RequestDenied) {
		fmt.Println(e.By, "refused", e.Key)
	})
	l, _ := ratelimit.New("api", ratelimit.Config{Limit: -1}, ratelimit.WithBus(bus))
	l.Allow(ratelimit.KeyOf("user", 42))
	// Output: api refused user/42
}

func ExampleConfig_Validate() {
	fmt.Println(ratelimit.Config{Algorithm: ratelimit.FixedWindow, Limit: 10, Per: -time.Second, Burst: 5}.Validate())
	// Output:
	// rate_limiter: invalid_config: invalid configuration
	// 	per -1s: must be longer than 0
	// 	burst 5: fixed_window has no burst: its limit is what it admits at once; leave it out or use gcra
}

func ExampleKeyOf() {
	fmt.Println(ratelimit.KeyOf("acme", 42), ratelimit.KeyOf("a/b"), ratelimit.KeyOf("a", "b"))
	// Output: acme/42 a%2Fb a/b
}

// A guard of your own reads the clock once for all of its parts and keeps the decision
// where it keeps the call.
func ExampleLimiter_Admit() {
	type visit struct {
		began    clock.Instant
		decision ratelimit.Decision
	}
	shaper, _ := ratelimit.New("mails", ratelimit.Config{Algorithm: ratelimit.LeakyBucket, Limit: 100, Per: time.Second, Burst: 5})
	key := ratelimit.KeyOf("acme")
	for range 2 {
		v := visit{began: clock.Now()}
		waited, err := shaper.Admit(context.Background(), &v.decision, v.began, &key, 1, time.Second)
		fmt.Println(v.decision.OK, waited, err)
	}
	// Output:
	// true false <nil>
	// true true <nil>
}

func ExampleLimiter_SetOverrides() {
	perCustomer, err := ratelimit.New("per_customer", ratelimit.Config{Limit: 2, Per: time.Minute})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = perCustomer.SetOverrides(map[string]ratelimit.Override{
		"acme":  {Limit: 1000},
		"probe": {Exempt: true},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, name := range []string{"acme", "initech", "probe"} {
		d := perCustomer.AllowN(ratelimit.KeyOf(name), 3)
		fmt.Println(name, d.OK, d.Limit, d.Source)
	}
	// Output:
	// acme true 1000 local
	// initech false 2 local
	// probe true 2 exempt
}
