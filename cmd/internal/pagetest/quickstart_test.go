package pagetest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/elixirscope/foundation/cmd/internal/quickstart"
)

// start runs a quickstart until the test ends, with a client that asks for something now and
// then.
func start(t *testing.T) quickstart.Addresses {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan quickstart.Addresses, 1), make(chan error, 1)
	go func() {
		ended <- quickstart.Run(ctx, quickstart.Options{Out: io.Discard, Program: "foundation", Ready: func(a quickstart.Addresses) { ready <- a }})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	var a quickstart.Addresses
	select {
	case a = <-ready:
	case err := <-ended:
		ended <- nil
		t.Fatalf("it ended: %v", err)
	}
	clients(t, "http://"+a.Gateway+"/")
	return a
}

// clients send ten requests a second, each from another user.
func clients(t *testing.T, url string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	ticker := time.NewTicker(100 * time.Millisecond)
	transport := &http.Transport{}
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
			if err != nil {
				panic(err)
			}
			r.Header.Set("X-User", fmt.Sprintf("user-%d", n/5))
			resp, err := (&http.Client{Transport: transport}).Do(r)
			if err != nil {
				continue // the gateway ends with the test
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		ticker.Stop()
		transport.CloseIdleConnections()
	})
}

// TestQuickstart_TheIncident is what the quickstart tells its user to do, with a real layer
// behind a real page: the upstream fails, the breaker opens, somebody looks why, takes it in
// hand, and the upstream is well again.
func TestQuickstart_TheIncident(t *testing.T) {
	t.Parallel()
	a := start(t)
	b := open(t, "http://"+a.Admin, "/", desktop)
	b.shows("#verdict", "All is well", "all closed", "100 of 100")
	b.shows(".guard", "demo", "ok")
	b.shoot("quickstart-well")
	b.click(".switches button", "failing")
	b.answer("see what happens")
	b.shows("#verdict", "breaker demo is open", "foundation why breaker demo")
	b.shows(".breaker", "OPEN")
	b.shows(".guard", "refuses")
	b.shoot("quickstart-incident")
	b.click(".breaker a.open", "demo")
	b.shows("#main", "status_500", "States", "Calls", "What to try")
	b.until("the transition is on the plots", "document.querySelector('.canvas[role=img]')?.ariaLabel.includes('closed → open')")
	b.pictures("quickstart-breaker")
	b.click("button", "Force open")
	b.answer("the upstream is being fixed")
	b.shows("#main", "forced open", "left")
	b.goTo("#/overrides")
	b.shows("#main", "forced open", "the upstream is being fixed", "by local")
	b.goTo("#/events")
	b.shows("#main", "closed → open", "failures 3 ≥ 3", "the upstream is being fixed")
	b.goTo("#/")
	b.click(".switches button", "ok")
	b.answer("it is fixed")
	b.goTo("#/breaker/demo")
	b.click("button", "Release")
	b.answer("the upstream is well")
	b.shows(".title .state", "closed")
	b.goTo("#/")
	b.shows("#verdict", "all closed")
}
