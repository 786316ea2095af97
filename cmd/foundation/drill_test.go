package main_test

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"
)

var outage = flag.Duration("outage", 2*time.Second, "how long the upstream of the outage drill stands still")

const (
	drillClients = 200
	drillTimeout = time.Second            // of a client's try, longer than the guard's: who gives up first says nothing about the upstream
	drillPause   = 500 * time.Millisecond // before the next: together less than the upstream can do
)

// drillResult is what an outage did.
type drillResult struct {
	reached  int           // requests that came to the upstream during the outage
	first    time.Duration // from its end until a client had an answer again
	everyone time.Duration // until all of them had
}

// TestOutageDrill: an upstream stands still under 200 clients that retry. What
// comes to it meanwhile waits in its queue, and has to be worked off, for
// nobody, before the first client is served again: an outage that outlives its
// cause. A guard keeps the queue short.
func TestOutageDrill(t *testing.T) {
	without := drill(t, "")
	with := drill(t, `, guard: up`)
	t.Logf("outage of %v, %d clients, timeout %v, pause %v, %v of work per request", *outage, drillClients, drillTimeout, drillPause, workTime)
	for name, r := range map[string]drillResult{"without a guard": without, "with a guard   ": with} {
		t.Logf("%s: %6d requests reached the upstream, first answer after %8v, all clients after %8v",
			name, r.reached, r.first.Round(time.Millisecond), r.everyone.Round(time.Millisecond))
	}
	if with.reached*3 > without.reached {
		t.Errorf("the guard let %d of %d requests through", with.reached, without.reached)
	}
}

func drill(t *testing.T, guarded string) drillResult {
	t.Helper()
	address := freeAddress(t)
	startUpstream(t, address)
	d := serve(t, func(gateway, admin string) string {
		return fmt.Sprintf(`version: 1
admin: { listen: %q }
breakers: { up: { failure_threshold: 5, window: 10s, cooldown: 1s } }
guards: { up: { breaker: up, timeout: 500ms, concurrency: 32 } }
gateway:
  listen: %q
  routes: [ { match: "/", upstream: "http://%s"%s } ]
`, admin, gateway, address, guarded)
	})
	crowd := newCrowd("http://" + d.gateway + "/work")
	defer crowd.disperse()
	crowd.untilAllSince(time.Now())
	d.text("http://" + address + "/stall")
	before := seen(t, d, address)
	<-time.After(*outage)
	result := drillResult{reached: seen(t, d, address) - before}
	d.text("http://" + address + "/resume")
	ended := time.Now()
	result.first, result.everyone = crowd.untilAllSince(ended)
	return result
}

func seen(t *testing.T, d *daemon, address string) int {
	t.Helper()
	n, err := strconv.Atoi(d.text("http://" + address + "/seen"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// crowd is many clients that ask again and again.
type crowd struct {
	client *http.Client
	stop   chan struct{}
	wg     sync.WaitGroup
	served chan answered
}

type answered struct {
	client int
	at     time.Time
}

func newCrowd(url string) *crowd {
	c := &crowd{
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: drillClients}, Timeout: drillTimeout},
		stop:   make(chan struct{}), served: make(chan answered, drillClients),
	}
	for i := range drillClients {
		c.wg.Go(func() { c.ask(i, url) })
	}
	return c
}

func (c *crowd) ask(i int, url string) {
	for {
		resp, err := c.client.Get(url)
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				select {
				case c.served <- answered{i, time.Now()}:
				case <-c.stop:
				}
			}
		}
		select {
		case <-c.stop:
			return
		case <-time.After(drillPause):
		}
	}
}

// untilAllSince waits until every client had an answer later than start.
func (c *crowd) untilAllSince(start time.Time) (first, everyone time.Duration) {
	waiting := map[int]bool{}
	for i := range drillClients {
		waiting[i] = true
	}
	for a := range c.served {
		if a.at.Before(start) {
			continue
		}
		if everyone = a.at.Sub(start); len(waiting) == drillClients {
			first = everyone
		}
		if delete(waiting, a.client); len(waiting) == 0 {
			return first, everyone
		}
	}
	return first, everyone
}

func (c *crowd) disperse() {
	close(c.stop)
	c.client.CloseIdleConnections()
	c.wg.Wait()
}
