// Command http shows both sides of HTTP: a server whose clients are limited by
// their address, and a client that stops calling a server that fails.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/protect"
	"github.com/elixirscope/foundation/ratelimit"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	handler, err := newHandler()
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }() // until Close
	defer server.Close()                       //nolint:errcheck // nothing follows

	client, err := newClient()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	for _, path := range []string{"/hello", "/hello", "/hello", "/broken", "/broken", "/hello"} {
		fmt.Fprintln(out, path, get(ctx, client, "http://"+listener.Addr().String()+path))
	}
	return nil
}

// newHandler is a server of which each client may ask /hello twice a minute.
func newHandler() (http.Handler, error) {
	perClient, err := ratelimit.New("per_client", ratelimit.Config{Limit: 2, Per: time.Minute})
	if err != nil {
		return nil, err
	}
	g, err := guard.New("hello", guard.Config{RateLimit: perClient, Timeout: 5 * time.Second, Concurrency: 64})
	if err != nil {
		return nil, err
	}
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") })
	mux := http.NewServeMux()
	mux.Handle("GET /hello", protect.Handler(hello, g, protect.KeyByRemoteIP()))
	mux.HandleFunc("GET /broken", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	return mux, nil
}

// newClient is a client that gives a server a rest after two failures.
func newClient() (*http.Client, error) {
	upstream, err := breaker.New("upstream", breaker.Config{FailureThreshold: 2, Window: 10 * time.Second, Cooldown: 30 * time.Second})
	if err != nil {
		return nil, err
	}
	g, err := guard.New("upstream", guard.Config{Breaker: upstream, Timeout: 2 * time.Second})
	if err != nil {
		return nil, err
	}
	return &http.Client{Transport: protect.Transport(&http.Transport{}, g)}, nil
}

// get describes the answer, or why there is none.
func get(ctx context.Context, client *http.Client, url string) string {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err.Error()
	}
	resp, err := client.Do(req)
	if f, refused := errors.AsType[*fault.Error](err); refused {
		return fmt.Sprintf("not sent: %s, try again in %v", f.Code(), f.RetryAfter().Round(time.Second))
	}
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close() //nolint:errcheck // nothing follows
	if after := protect.RetryAfter(resp.Header, 0); after > 0 {
		return fmt.Sprintf("%s, try again in %v", resp.Status, after)
	}
	return resp.Status
}
