package shared_test

import (
	"context"
	"fmt"
	"time"

	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/ratelimit/shared"
)

func ExampleNewMemoryStore() {
	store := shared.NewMemoryStore(nil)
	rule := shared.Rule{Name: "per_user", Config: ratelimit.Config{Limit: 2, Per: time.Hour}}
	for range 3 {
		d, err := store.Take(context.Background(), rule, ratelimit.KeyOf("user", 42), 1)
		fmt.Println(d.OK, d.Remaining, err)
	}
	// Output:
	// true 1 <nil>
	// true 0 <nil>
	// false 0 <nil>
}

func ExampleNew() {
	store := shared.NewMemoryStore(nil) // of one process: package adapters/redis has one for many
	counters := shared.New(store, shared.Options{Timeout: 10 * time.Millisecond})
	defer func() {
		if err := counters.Close(context.Background()); err != nil {
			fmt.Println(err)
		}
	}()
	perUser, err := ratelimit.New("per_user", ratelimit.Config{Limit: 2, Per: time.Hour})
	if err != nil {
		fmt.Println(err)
		return
	}
	perUser.SetRemote(counters.Rule("per_user", shared.Policy{OnError: shared.Local}))
	for range 4 {
		d := perUser.Allow(ratelimit.KeyOf("user", 42))
		fmt.Println(d.OK, d.Remaining, d.Source)
	}
	// Output:
	// true 1 shared
	// true 0 shared
	// false 0 shared
	// false 0 cached
}
