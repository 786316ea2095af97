package httpworker_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/pool/httpworker"
)

func Example() {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"total": 42, "path": %q}`, r.URL.Path)
	}))
	defer service.Close()

	factory, err := httpworker.New(httpworker.Options{BaseURL: service.URL + "/v1"})
	if err != nil {
		fmt.Println(err)
		return
	}
	billing, err := pool.New("billing", pool.Config{Size: 4}, factory)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer billing.Close(context.Background())

	var invoice struct {
		Total int
		Path  string
	}
	err = billing.With(context.Background(), func(ctx context.Context, c *httpworker.Client) error {
		return c.JSON(ctx, http.MethodGet, "/invoices/7", nil, &invoice)
	})
	fmt.Println(invoice.Total, invoice.Path, err)
	// Output: 42 /v1/invoices/7 <nil>
}
