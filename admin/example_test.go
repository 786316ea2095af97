package admin_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	foundation "github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/admin"
)

// A program mounts the API beside its own paths. Without Options it answers this machine
// alone; here the program has proof of identity of its own.
func ExampleNew() {
	layer, err := foundation.Open(context.Background(), foundation.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = layer.Close(context.Background()) }()
	api := admin.New(layer, admin.Options{Access: admin.Access{
		Authenticate: func(r *http.Request) (actor string, write, ok bool) {
			return r.Header.Get("X-Employee"), false, r.Header.Get("X-Employee") != ""
		},
	}})
	defer api.Close()
	mux := http.NewServeMux()
	mux.Handle("/internal/foundation/", http.StripPrefix("/internal/foundation", api))

	for _, employee := range []string{"", "ada"} {
		r, w := httptest.NewRequest(http.MethodGet, "/internal/foundation/v1/guards", nil), httptest.NewRecorder()
		r.Header.Set("X-Employee", employee)
		mux.ServeHTTP(w, r)
		fmt.Println(w.Code)
	}
	// Output:
	// 401
	// 200
}
