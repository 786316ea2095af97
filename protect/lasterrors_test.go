package protect_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/protect"
)

// The breaker of a client shows what is wrong with the dependency, and not the types of
// errors that say it.
func TestTransport_BreakersShowWhatIsWrongWithADependency(t *testing.T) {
	closed, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	url, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/503":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/half":
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "half")
		default:
			panic(http.ErrAbortHandler)
		}
	}))
	unknown := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "db", IsNotFound: true}}
	}}
	for want, c := range map[string]struct {
		base *http.Transport
		url  string
	}{
		"refused":    {&http.Transport{}, "http://" + closed.Addr().String()},
		"dns":        {unknown, "http://db.test"},
		"status_503": {&http.Transport{}, url + "/503"},
		"eof":        {&http.Transport{}, url + "/half"},
	} {
		b := newBreaker(t, 100)
		client := &http.Client{Transport: protect.Transport(c.base, newGuard(t, guard.Config{Breaker: b}))}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := client.Do(req); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
		c.base.CloseIdleConnections()
		if got := b.Status().LastErrors; len(got) != 1 || got[0].Class != want || got[0].Count != 1 {
			t.Errorf("%s: %+v", want, got)
		}
	}
}

func TestHandler_BreakersShowTheStatusThatFailed(t *testing.T) {
	b := newBreaker(t, 100)
	url, client := serve(t, protect.Handler(answer(http.StatusInternalServerError), newGuard(t, guard.Config{Breaker: b})))
	get(t, client, url)
	waitFor(t, "the call is settled", func() bool { return b.Status().Totals.Failures == 1 })
	if got := b.Status().LastErrors; len(got) != 1 || got[0].Class != "status_500" {
		t.Errorf("%+v", got)
	}
}
