package supervise_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/elixirscope/foundation/supervise"
)

// A worker that loses its connection is started again; the program goes on.
func Example() {
	tree := supervise.New(nil)
	attempt := 0
	served := make(chan struct{})
	err := tree.Add(supervise.Spec{Name: "mailer", Backoff: time.Millisecond, Service: supervise.Func(func(ctx context.Context) error {
		if attempt++; attempt == 1 {
			return errors.New("connection refused")
		}
		close(served)
		<-ctx.Done() // serves until it is stopped
		return nil
	})})
	if err != nil {
		fmt.Println(err)
	}
	<-served
	for _, s := range tree.Status() {
		fmt.Println(s.Name, s.State, "incarnation", s.Incarnation, "last failure:", s.Err)
	}
	fmt.Println(tree.Close(context.Background()))
	// Output:
	// mailer running incarnation 2 last failure: connection refused
	// <nil>
}
