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
