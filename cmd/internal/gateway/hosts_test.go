package gateway_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/cmd/internal/gateway"
	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/cmd/internal/upstreams"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/retry"
)

// cluster is several upstreams that each do as they are told, and say which of them answers.
type cluster struct {
	*testing.T

	hosts []*member
}

type member struct {
	server *httptest.Server
	do     atomic.Pointer[http.HandlerFunc] // nil: it answers well
	asked  atomic.Int64
	conns  atomic.Int64 // that were made
}

func (m *member) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.asked.Add(1)
	if do := m.do.Load(); do != nil {
		(*do)(w, r)
		return
	}
	_, _ = io.Copy(io.Discard, r.Body)
	_, _ = io.WriteString(w, m.address())
}

func (m *member) address() string { return m.server.Listener.Addr().String() }

func (m *member) does(h http.HandlerFunc) { m.do.Store(&h) }

func (m *member) recovers() { m.do.Store(nil) }

func newCluster(t *testing.T, n int) *cluster {
	t.Helper()
	c := &cluster{T: t}
	for range n {
		m := &member{}
		m.server = httptest.NewUnstartedServer(m)
		m.server.Config.ErrorLog = log.New(io.Discard, "", 0)
		m.server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
			if s == http.StateNew {
				m.conns.Add(1)
			}
		}
		m.server.Start()
		t.Cleanup(m.server.Close)
		c.hosts = append(c.hosts, m)
	}
	return c
}

func (c *cluster) urls() (list []string) {
	for _, m := range c.hosts {
		list = append(list, m.server.URL)
	}
	return list
}

// rig is a gateway in front of the cluster.
func (c *cluster) rig(change func(*setup)) *rig {
	c.Helper()
	return newRigTo(c.T, "", func(s *setup) {
		s.route.Name, s.route.Upstreams = "all", c.urls()
		if change != nil {
			change(s)
		}
	})
}

// host is what the gateway says of one of the upstreams.
func (r *rig) host(address string) upstreams.HostStatus {
	r.Helper()
	for _, h := range r.gateway.Routes()[0].Upstreams.Hosts {
		if h.Name == address {
			return h
		}
	}
	r.Fatalf("there is no upstream %s", address)
	return upstreams.HostStatus{}
}

func answers500(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusInternalServerError)
}

func hanging(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// dying breaks the connection off.
func dying(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func quickRetry(s *setup) {
	s.guard.Retry = &retry.Config{Backoff: 1, BackoffMax: 1, AttemptTimeout: time.Second}
}

func TestUpstreams_RequestsAreSpread(t *testing.T) {
	c := newCluster(t, 3)
	var lines bytes.Buffer
	r := c.rig(func(s *setup) { s.log, s.gateway.AccessLog.Mode = &lines, settings.AccessLogAll })
	var answers []string
	for range 90 {
		answers = append(answers, r.get("/x").body)
	}
	r.outcomes(90)
	for _, m := range c.hosts {
		if n := m.asked.Load(); n < 10 {
			t.Errorf("%s was asked %d times of 90", m.address(), n)
		}
		if h := r.host(m.address()); h.Counts.Successes != uint64(m.asked.Load()) || h.InFlight != 0 || h.State != upstreams.Active {
			t.Errorf("%+v after %d requests", h, m.asked.Load())
		}
	}
	for i, line := range bytes.Split(bytes.TrimSpace(lines.Bytes()), []byte("\n")) {
		var entry struct{ Upstream string }
		if err := json.Unmarshal(line, &entry); err != nil || entry.Upstream != answers[i] {
			t.Fatalf("the access log names %q, and %q answered", entry.Upstream, answers[i])
		}
	}
}

// A host that fails is ejected, however it fails; retries go to another one meanwhile, so that
// no client notices.
func TestUpstreams_OneFailsAndNoClientNotices(t *testing.T) {
	for name, fails := range map[string]http.HandlerFunc{"500": answers500, "dying": dying, "hanging": hanging} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, 3)
			r := c.rig(func(s *setup) {
				quickRetry(s)
				s.guard.Retry.AttemptTimeout = 50 * time.Millisecond
				s.guard.Retry.Budget = 1
				s.route.Eject = settings.Eject{Failures: 3}
			})
			bad := c.hosts[1]
			bad.does(fails)
			for range 30 {
				if got := r.get("/x"); got.StatusCode != http.StatusOK {
					t.Fatalf("answered %d", got.StatusCode)
				}
			}
			if h := r.host(bad.address()); h.State != upstreams.Ejected || bad.asked.Load() != 3 || h.Counts.Failures != 3 || h.Last.Class == "" {
				t.Errorf("it was asked %d times, and is %+v", bad.asked.Load(), h)
			}
		})
	}
}

func TestUpstreams_WithoutAGuardTheyAreEjectedAsWell(t *testing.T) {
	c := newCluster(t, 2)
	r := c.rig(func(s *setup) { s.route.Guard = "" })
	c.hosts[0].does(answers500)
	failed := 0
	for range 50 {
		if r.get("/x").StatusCode != http.StatusOK {
			failed++
		}
	}
	if h := r.host(c.hosts[0].address()); failed != 5 || h.State != upstreams.Ejected || h.Cause != "5 failures in a row (status_5xx)" {
		t.Errorf("%d failed, the host is %+v", failed, h)
	}
}

// What clients and this machine do wrong ejects nobody.
func TestUpstreams_ClientsEjectNobody(t *testing.T) {
	c := newCluster(t, 2)
	r := c.rig(nil)
	for _, m := range c.hosts {
		m.does(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/429":
				w.WriteHeader(http.StatusTooManyRequests)
			case "/404":
				w.WriteHeader(http.StatusNotFound)
			default:
				hanging(w, r)
			}
		})
	}
	for range 20 {
		r.get("/429")
		r.get("/404")
	}
	for range 20 {
		conn, err := net.Dial("tcp", r.server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, "GET /hang HTTP/1.1\r\nHost: x\r\n\r\n")
		for r.gateway.Routes()[0].InFlight == 0 {
			<-time.NewTimer(time.Millisecond).C
		}
		_ = conn.Close()
		for r.gateway.Routes()[0].InFlight > 0 {
			<-time.NewTimer(time.Millisecond).C
		}
	}
	for _, m := range c.hosts {
		if h := r.host(m.address()); h.Row != 0 || h.Counts.Failures != 0 || h.Counts.Ignored < 10 {
			t.Errorf("%+v", h)
		}
	}
}

func TestUpstreams_RequestsWithABodyAreSpreadAndSentOnce(t *testing.T) {
	c := newCluster(t, 2)
	r := c.rig(quickRetry)
	for range 40 {
		if status, _ := r.send(http.MethodPost, "text"); status != http.StatusOK {
			t.Fatal(status)
		}
	}
	if a, b := c.hosts[0].asked.Load(), c.hosts[1].asked.Load(); a+b != 40 || a < 5 || b < 5 {
		t.Errorf("asked %d and %d times", a, b)
	}
}

// With one breaker for each target, that is the host; one that is open is avoided, before it is
// ejected and without a refusal.
func TestUpstreams_EachHasItsBreaker(t *testing.T) {
	c := newCluster(t, 3)
	group, err := breaker.NewGroup("hosts", breaker.Config{FailureThreshold: 2}, 0)
	if err != nil {
		t.Fatal(err)
	}
	g, err := guard.New("g", guard.Config{Breakers: group, PerTarget: true, Retry: &retry.Config{Backoff: 1, BackoffMax: 1, Budget: 1}})
	if err != nil {
		t.Fatal(err)
	}
	r := c.rig(nil)
	table, err := r.gateway.Prepare(t.Context(), r.config)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.gateway.Use(table, func(string) (*guard.Guard, error) { return g, nil }); err != nil {
		t.Fatal(err)
	}
	c.hosts[2].does(answers500)
	for range 40 {
		if got := r.get("/x"); got.StatusCode != http.StatusOK {
			t.Fatalf("answered %d", got.StatusCode)
		}
	}
	if n := c.hosts[2].asked.Load(); n != 2 || len(group.Members()) != 3 {
		t.Errorf("asked %d times, %d breakers", n, len(group.Members()))
	}
	if h := r.host(c.hosts[2].address()); h.State != upstreams.Active || h.Row != 2 {
		t.Errorf("%+v", h)
	}
	for code, n := range g.Status().Refused {
		if n > 0 {
			t.Errorf("%v: %d refused", code, n)
		}
	}
}

// More than half of the hosts being down ends nothing: they are all tried, and answer again as
// soon as they can.
func TestUpstreams_AllFailAndReturn(t *testing.T) {
	c := newCluster(t, 3)
	r := c.rig(func(s *setup) { s.route.Guard = "" })
	for _, m := range c.hosts {
		m.does(answers500)
	}
	for range 60 {
		if got := r.get("/x"); got.StatusCode != http.StatusInternalServerError {
			t.Fatal(got.StatusCode)
		}
	}
	ejected := 0
	for _, h := range r.gateway.Routes()[0].Upstreams.Hosts {
		if h.State == upstreams.Ejected {
			ejected++
		}
	}
	if ejected != 1 {
		t.Errorf("%d of 3 are ejected", ejected)
	}
	for _, m := range c.hosts {
		m.recovers()
	}
	for range 30 {
		if got := r.get("/x"); got.StatusCode != http.StatusOK {
			t.Fatal(got.StatusCode)
		}
	}
}

// A host that stays keeps what is known of it and its connections through a reload; one that
// goes finishes what it has begun.
func TestUpstreams_AReload(t *testing.T) {
	c := newCluster(t, 3)
	r := c.rig(func(s *setup) { s.route.Guard = "" })
	c.hosts[0].does(answers500)
	for r.host(c.hosts[0].address()).State != upstreams.Ejected {
		r.get("/x")
	}
	begun, end := make(chan struct{}), make(chan struct{})
	c.hosts[1].does(func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		<-end
		_, _ = io.WriteString(w, "late")
	})
	late := make(chan string, 1)
	go func() {
		for {
			if got := r.get("/x"); got.body == "late" {
				late <- got.body
				return
			}
		}
	}()
	r.within("the slow request", begun)
	connections := c.hosts[2].conns.Load()
	r.config.Routes[0].Upstreams = []string{c.hosts[0].server.URL, c.hosts[2].server.URL}
	r.reload()
	if h := r.host(c.hosts[0].address()); h.State != upstreams.Ejected {
		t.Errorf("the ejected one is %v", h.State)
	}
	for range 20 {
		if got := r.get("/x"); got.body != c.hosts[2].address() {
			t.Fatalf("%s answered", got.body)
		}
	}
	if n := c.hosts[2].conns.Load() - connections; n != 0 {
		t.Errorf("%d new connections to the host that stays", n)
	}
	close(end)
	if got := <-late; got != "late" {
		t.Error(got)
	}
}

// Each host is reached as one alone would be: its own name in Host, and each protocol.
func TestUpstreams_EveryProtocol(t *testing.T) {
	for _, protocol := range []string{overHTTP1, overH2C, overTLS, overTLSHTTP2} {
		t.Run(protocol, func(t *testing.T) {
			var mu sync.Mutex
			hosts := map[string]int{}
			h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				hosts[r.Host+r.URL.Path]++
			})
			first, change := upstreamOver(t, protocol, h)
			second, _ := upstreamOver(t, protocol, h)
			r := newRigTo(t, "", func(s *setup) {
				change(s)
				s.route.Upstreams, s.route.StripPrefix = []string{first + "/base", second + "/base"}, "/api"
				if s.route.TLS != nil {
					s.route.Upstreams = s.route.Upstreams[:1] // each has a certificate of its own
					s.route.Upstreams = append(s.route.Upstreams, strings.Replace(first, "127.0.0.1", "localhost", 1)+"/base")
				}
			})
			for range 40 {
				if got := r.get("/api/x"); got.StatusCode != http.StatusOK {
					t.Fatal(got.StatusCode)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			for _, u := range r.config.Routes[0].Upstreams {
				_, rest, _ := strings.Cut(u, "//")
				if hosts[rest+"/x"] < 5 {
					t.Errorf("asked for %v", hosts)
				}
			}
		})
	}
}

func TestUpstreams_PreserveHost(t *testing.T) {
	c := newCluster(t, 2)
	r := c.rig(func(s *setup) { s.route.PreserveHost = true })
	for _, m := range c.hosts {
		m.does(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Host) })
	}
	for range 10 {
		req := r.request(http.MethodGet, "/x", nil)
		req.Host = "shop.example"
		if got := r.do(req); got.body != "shop.example" {
			t.Fatalf("the upstream was told %q", got.body)
		}
	}
}

// A retry to another host is told that host's name.
func TestUpstreams_ARetryIsForTheOtherHost(t *testing.T) {
	c := newCluster(t, 2)
	r := c.rig(quickRetry)
	for _, m := range c.hosts {
		m.does(func(w http.ResponseWriter, r *http.Request) {
			if r.Host != m.address() {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			answers500(w, r)
		})
	}
	if got := r.get("/x"); got.StatusCode != http.StatusInternalServerError || c.hosts[0].asked.Load() == 0 || c.hosts[1].asked.Load() == 0 {
		t.Errorf("answered %d after %d and %d attempts", got.StatusCode, c.hosts[0].asked.Load(), c.hosts[1].asked.Load())
	}
}

func TestUpstreams_AnUpgradeHoldsItsHost(t *testing.T) {
	c := newCluster(t, 2)
	for _, m := range c.hosts {
		m.does(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "Upgrade")
			w.Header().Set("Upgrade", "echo")
			w.WriteHeader(http.StatusSwitchingProtocols)
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			_, _ = io.Copy(conn, conn)
		})
	}
	r := c.rig(nil)
	conns := make([]net.Conn, 4)
	for i := range conns { // with fewer in flight goes before, so that they are spread evenly
		conn, answers := r.raw("GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		resp, err := http.ReadResponse(answers, nil)
		if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
			t.Fatal(resp, err)
		}
		conns[i] = conn
	}
	for _, m := range c.hosts {
		if h := r.host(m.address()); h.InFlight != 2 || h.Counts.Successes != 2 {
			t.Errorf("%+v", h)
		}
	}
	for _, conn := range conns {
		_ = conn.Close()
	}
}

func TestUpstreams_ThePrepareNamesWhatIsWrong(t *testing.T) {
	g := gateway.New(slog.New(slog.DiscardHandler))
	_, err := g.Prepare(t.Context(), settings.Gateway{Routes: []settings.Route{{Match: "/", Upstreams: []string{"http://a", "ftp://b"}}}})
	if err == nil || !strings.Contains(err.Error(), "http://HOST:PORT") {
		t.Error(err)
	}
}

func TestUpstreams_ALongListIsCalledByItsFirst(t *testing.T) {
	c := newCluster(t, 3)
	r := c.rig(nil)
	if got, want := r.gateway.Routes()[0].Upstream, c.hosts[0].address()+" +"+strconv.Itoa(2); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// A host that has returned, and still hangs, holds one request and not all that come meanwhile.
func TestUpstreams_AHostThatReturnsAndHangsHoldsOneRequest(t *testing.T) {
	c := newCluster(t, 3)
	r := c.rig(func(s *setup) {
		quickRetry(s)
		s.guard.Retry.AttemptTimeout, s.guard.Retry.Budget = 700*time.Millisecond, 1
		s.route.Eject = settings.Eject{Failures: 5, For: time.Second, SlowStart: -1}
	})
	bad := c.hosts[0]
	bad.does(answers500)
	for r.host(bad.address()).State != upstreams.Ejected {
		r.get("/x")
	}
	before := bad.asked.Load()
	bad.does(hanging)
	for r.host(bad.address()).State == upstreams.Ejected {
		<-time.NewTimer(time.Millisecond).C
	}
	var clients sync.WaitGroup
	for range 24 {
		clients.Go(func() {
			if err := ask(r.client.Transport, r.server.URL+"/x"); err != nil {
				t.Error(err)
			}
		})
	}
	clients.Wait()
	if got := bad.asked.Load() - before; got != 1 {
		t.Errorf("it holds %d requests", got)
	}
	bad.recovers()
}
