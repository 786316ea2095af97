package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/cmd/internal/upstreams"
)

// load is clients that ask without a pause, as many as there are at a time.
type load struct {
	*rig

	stop   chan struct{}
	all    sync.WaitGroup
	asked  atomic.Int64
	each   []atomic.Int64 // by client
	failed atomic.Int64
	last   atomic.Pointer[string] // failure
}

func (r *rig) load(clients int) *load {
	r.Helper()
	l := &load{rig: r, stop: make(chan struct{}), each: make([]atomic.Int64, clients)}
	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	r.Cleanup(transport.CloseIdleConnections)
	for i := range clients {
		l.all.Go(func() {
			for {
				select {
				case <-l.stop:
					return
				default:
				}
				if err := ask(transport, r.server.URL); err != nil {
					text := err.Error()
					l.last.Store(&text)
					l.failed.Add(1)
				}
				l.asked.Add(1)
				l.each[i].Add(1)
			}
		})
	}
	r.Cleanup(l.end)
	return l
}

func (l *load) end() {
	select {
	case <-l.stop:
	default:
		close(l.stop)
	}
	l.all.Wait()
}

// ask makes one idempotent request and says why it did not go well.
func ask(transport http.RoundTripper, url string) error {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url+"/x", nil)
	if err != nil {
		return err
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.ReadAll(resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}

// more waits until so many requests were made.
func (l *load) more(n int64) {
	l.Helper()
	want := l.asked.Load() + n
	l.until(fmt.Sprintf("%d more requests", n), func() bool { return l.asked.Load() >= want })
}

// settle waits until what was under way, or on its way there, has ended for every client.
func (l *load) settle() {
	l.Helper()
	for i := range l.each {
		want := l.each[i].Load() + 2
		l.until("two more requests of each client", func() bool { return l.each[i].Load() >= want })
	}
}

// failures says how many requests failed while what is done.
func (l *load) failures(done func()) int64 {
	before := l.failed.Load()
	done()
	return l.failed.Load() - before
}

// stopped is an address at which nobody listens any more, until the process is back.
func (m *member) stops(t *testing.T) (returns func()) {
	t.Helper()
	address := m.address()
	m.server.CloseClientConnections()
	m.server.Close()
	return func() {
		ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: m, ReadHeaderTimeout: time.Minute}
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = srv.Serve(ln)
		}()
		t.Cleanup(func() {
			_ = srv.Close()
			<-done
		})
	}
}

// flapping fails every second request.
func flapping() http.HandlerFunc {
	var n atomic.Int64
	return func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1)%2 == 0 {
			answers500(w, r)
		}
	}
}

// However one of three upstreams fails: once it is ejected no request fails, and with retries
// none does at all, not before either, nor when it returns too soon.
func TestStress_OneUpstreamOfThreeFails(t *testing.T) {
	for name, begin := range map[string]func(t *testing.T, m *member) (end func()){
		"dead": func(t *testing.T, m *member) func() { return m.stops(t) },
		"breaks off": func(_ *testing.T, m *member) func() {
			m.does(dying)
			return m.recovers
		},
		"hangs": func(_ *testing.T, m *member) func() {
			m.does(hanging)
			return m.recovers
		},
		"500": func(_ *testing.T, m *member) func() {
			m.does(answers500)
			return m.recovers
		},
		"flaps": func(_ *testing.T, m *member) func() {
			m.does(flapping())
			return m.recovers
		},
	} {
		t.Run(name+", with retries", func(t *testing.T) {
			c := newCluster(t, 3)
			r := c.rig(func(s *setup) {
				quickRetry(s)
				s.guard.Retry.AttemptTimeout = 300 * time.Millisecond
				s.route.Eject = settings.Eject{Window: time.Second, For: 100 * time.Millisecond, MaxFor: 200 * time.Millisecond, SlowStart: 50 * time.Millisecond}
			})
			l := r.load(8)
			l.more(500) // of which a fifth may be tried again
			bad := c.hosts[0]
			end := begin(t, bad)
			r.until("its ejection", func() bool { return r.host(bad.address()).Counts.Ejections > 0 })
			l.more(300)
			r.until("it to be tried and ejected again", func() bool { return r.host(bad.address()).Counts.Ejections > 1 })
			end()
			good := r.host(bad.address()).Counts.Successes
			r.until("its return", func() bool {
				h := r.host(bad.address())
				return h.State == upstreams.Active && h.Counts.Successes > good+10
			})
			if l.end(); l.failed.Load() != 0 {
				t.Errorf("%d of %d requests failed: %s", l.failed.Load(), l.asked.Load(), *l.last.Load())
			}
		})
		t.Run(name+", without", func(t *testing.T) {
			c := newCluster(t, 3)
			r := c.rig(func(s *setup) {
				s.guard.Timeout = 2 * time.Second // of which a busy machine does not use up as much
				s.route.Eject = settings.Eject{Window: time.Second, For: time.Hour, MaxFor: time.Hour}
			})
			l := r.load(8)
			l.more(100)
			bad := c.hosts[0]
			defer begin(t, bad)()
			r.until("its ejection", func() bool { return r.host(bad.address()).State == upstreams.Ejected })
			r.until("the end of what was under way", func() bool { return r.host(bad.address()).InFlight == 0 })
			l.settle()
			if n := l.failures(func() { l.more(500) }); n != 0 {
				t.Errorf("%d requests failed after the ejection: %s", n, *l.last.Load())
			}
		})
	}
}

// When all of them fail there is nobody to go to, and when they return they are asked at once.
func TestStress_AllUpstreamsFailAndReturn(t *testing.T) {
	c := newCluster(t, 3)
	r := c.rig(func(s *setup) {
		s.route.Guard = ""
		s.route.Check = &settings.UpstreamCheck{Path: "/x", Every: 100 * time.Millisecond, FailAfter: 1, PassAfter: 1}
		s.route.Eject = settings.Eject{For: time.Hour, MaxFor: time.Hour}
	})
	r.serve()
	l := r.load(4)
	l.more(50)
	for _, m := range c.hosts {
		m.does(answers500)
	}
	r.until("the panic", func() bool { return r.gateway.Routes()[0].Upstreams.Panics })
	before := make([]int64, len(c.hosts))
	for i, m := range c.hosts {
		before[i] = m.asked.Load()
	}
	l.more(300)
	for i, m := range c.hosts { // checks are few beside
		if m.asked.Load()-before[i] < 30 {
			t.Errorf("%s was not asked in the panic", m.address())
		}
	}
	for _, m := range c.hosts {
		m.recovers()
	}
	l.settle()
	if n := l.failures(func() { l.more(200) }); n != 0 {
		t.Errorf("%d requests failed after all were back: %s", n, *l.last.Load())
	}
	r.until("the end of the panic", func() bool { return !r.gateway.Routes()[0].Upstreams.Panics })
}

// Hosts come and go by the DNS and by reloads, under load: no request fails for it, and what has
// begun at a host that goes is finished.
func TestStress_HostsComeAndGo(t *testing.T) {
	d := newDNSRig(t, 3, "127.0.0.1", "127.0.0.2", "127.0.0.3")
	d.until("the first answer", func() bool { return len(d.hosts()) == 3 })
	l := d.load(8)
	sets := [][]string{{"127.0.0.1"}, {"127.0.0.2", "127.0.0.3"}, {"127.0.0.1", "127.0.0.3"}, {"127.0.0.1", "127.0.0.2", "127.0.0.3"}}
	for i := range 40 {
		want := sets[i%len(sets)]
		d.names.say(nil, want...)
		d.until("the answer", func() bool { return len(d.hosts()) == len(want) })
		if i%7 == 0 {
			d.reload()
		}
		l.more(20)
	}
	if l.end(); l.failed.Load() != 0 {
		t.Errorf("%d of %d requests failed: %s", l.failed.Load(), l.asked.Load(), *l.last.Load())
	}
	if n := d.gateway.Routes()[0].Upstreams.Counts; n.Successes != uint64(l.asked.Load()) || n.Failures != 0 {
		t.Errorf("%+v after %d requests", n, l.asked.Load())
	}
}
