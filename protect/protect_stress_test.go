package protect_test

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/internal/testkit"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/protect"
)

// Clients that read, half read, leave and time out, against a server that
// answers, fails, breaks off and panics, guarded on both sides: afterwards no
// place is taken on either.
func TestStress_EveryPlaceComesBack(t *testing.T) {
	const places = 8
	server := newGuard(t, guard.Config{Concurrency: places, Timeout: 20 * time.Millisecond})
	sender := newGuard(t, guard.Config{Concurrency: places, Timeout: 30 * time.Millisecond})
	url, client := serve(t, protect.Handler(http.HandlerFunc(unreliable), server))
	client.Transport = protect.Transport(client.Transport, sender, protect.BodyIdleTimeout(20*time.Millisecond))
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range testkit.Rounds(40) {
				unreliableGet(client, url)
			}
		})
	}
	wg.Wait()
	client.CloseIdleConnections()
	for name, g := range map[string]*guard.Guard{"server": server, "sender": sender} {
		waitFor(t, "every place of the "+name+" is free", func() bool { return freePlaces(g, places) == places })
	}
}

func unreliable(w http.ResponseWriter, r *http.Request) {
	switch rand.N(6) {
	case 0:
		panic(http.ErrAbortHandler)
	case 1:
		w.WriteHeader(http.StatusInternalServerError)
	case 2:
		<-r.Context().Done()
	case 3:
		_, _ = io.WriteString(w, "some")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case 4:
		_, _ = io.WriteString(w, "some")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	default:
		_, _ = w.Write(make([]byte, 10_000))
	}
}

func unreliableGet(client *http.Client, url string) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if rand.N(4) == 0 {
		time.AfterFunc(rand.N(5*time.Millisecond), cancel)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		panic(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return
	}
	if rand.N(2) == 0 {
		_, _ = io.Copy(io.Discard, resp.Body)
	} else {
		go func() { _, _ = resp.Body.Read(make([]byte, 1)) }() // races with Close
	}
	resp.Body.Close()
}

// freePlaces counts the places that can be taken at once.
func freePlaces(g *guard.Guard, most int) int {
	var taken []*guard.Token
	for len(taken) < most {
		tok, err := g.Enter(context.Background(), guard.Call{})
		if err != nil {
			break
		}
		taken = append(taken, tok)
	}
	for _, tok := range taken {
		tok.Settle(outcome.Ignored, nil)
		tok.Close()
	}
	return len(taken)
}
