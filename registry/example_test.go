package registry_test

import (
	"context"
	"fmt"

	"github.com/elixirscope/foundation/registry"
)

type Mailer struct{ from string }

func Example() {
	r := registry.New(nil)
	owner, end := context.WithCancel(context.Background())

	_, err := r.Register(owner, "services", "mailer", &Mailer{from: "shop@example.org"})
	if err != nil {
		fmt.Println(err)
	}
	m, err := registry.Lookup[*Mailer](r, "services", "mailer")
	fmt.Println(m.from, err)

	end() // the name ends with its owner
	_, err = registry.Lookup[*Mailer](r, "services", "mailer")
	fmt.Println(err)
	// Output:
	// shop@example.org <nil>
	// registry "services/mailer": not_found: nothing is registered under this name
}

func ExampleWaitFor() {
	r := registry.New(nil)
	go func() {
		_, _ = r.Register(context.Background(), "services", "mailer", &Mailer{from: "shop@example.org"})
	}()
	m, err := registry.WaitFor[*Mailer](context.Background(), r, "services", "mailer")
	fmt.Println(m.from, err)
	// Output: shop@example.org <nil>
}
