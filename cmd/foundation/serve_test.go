package main_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// openConfig refuses nothing, so that every request that is lost is the fault of
// the daemon.
func openConfig(upstream, more string) func(gateway, admin string) string {
	return func(gateway, admin string) string {
		return fmt.Sprintf(`version: 1
admin: { listen: %q }
breakers:
  up: { failure_threshold: 1000 }
rate_limits:
  all: { limit: 1000000, per: 1s }
guards:
  up: { rate_limit: all, breaker: up, timeout: 30s }
gateway:
  listen: %q
  %s
  routes:
    - { match: "/", upstream: "http://%s", guard: up, key: "{remote_ip}" }
`, admin, gateway, more, upstream)
	}
}

// load sends requests from many clients and counts what comes back.
type load struct {
	ok, lost atomic.Int64
	mu       sync.Mutex // guards first
	first    string     // what went wrong first
}

func (l *load) fail(what string) {
	l.lost.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first == "" {
		l.first = what
	}
}

func (l *load) get(client *http.Client, url string) {
	resp, err := client.Get(url)
	if err != nil {
		l.fail(err.Error())
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		l.fail(resp.Status)
		return
	}
	l.ok.Add(1)
}

// TestReloadUnderLoadLosesNothing: 10,000 requests at concurrency 64 while the
// configuration is reloaded again and again.
func TestReloadUnderLoadLosesNothing(t *testing.T) {
	const requests, clients = 10_000, 64
	address := freeAddress(t)
	startUpstream(t, address)
	d := serve(t, openConfig(address, ""))
	versions := [2]string{
		openConfig(address, "")(d.gateway, d.admin),
		strings.Replace(openConfig(address, "")(d.gateway, d.admin), `match: "/"`, `match: "/{any...}"`, 1),
	}
	var l load
	var left atomic.Int64
	left.Store(requests)
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				l.get(d.client, "http://"+d.gateway+"/")
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	reloads := reloadUntil(d, done, versions)
	if l.ok.Load() != requests || l.lost.Load() != 0 {
		t.Errorf("%d of %d answered, %d lost, first: %s", l.ok.Load(), requests, l.lost.Load(), l.first)
	}
	var s struct {
		Config struct{ Revision uint64 }
	}
	d.ask("/v1/status", &s)
	if s.Config.Revision < 3 {
		t.Errorf("%d reloads led to revision %d only", reloads, s.Config.Revision)
	}
	t.Logf("%d reloads, revision %d", reloads, s.Config.Revision)
}

// reloadUntil reloads in both ways, by signal and by command, until done.
func reloadUntil(d *daemon, done <-chan struct{}, versions [2]string) int {
	for n := 0; ; n++ {
		select {
		case <-done:
			return n
		default:
		}
		d.write(d.t, versions[n%2])
		if n%4 < 2 {
			d.signal(syscall.SIGHUP)
		} else if _, errs, code := run(d.t, "reload", "--addr", d.admin); code != 0 {
			d.t.Errorf("reload: %d %s", code, errs)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// TestRollingRestart: two gateways are restarted one after the other under load;
// a balancer that looks at their readiness sees no failed request.
func TestRollingRestart(t *testing.T) {
	address := freeAddress(t)
	startUpstream(t, address)
	const drain = `drain: { delay: 1s, timeout: 20s }`
	var b balancer
	for i := range b.backends {
		b.backends[i].Store(serve(t, openConfig(address, drain)))
	}
	stop := make(chan struct{})
	var l load
	var wg sync.WaitGroup
	wg.Go(func() { b.watch(stop) })
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}, Timeout: patience}
	defer client.CloseIdleConnections()
	for range 16 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
					l.get(client, "http://"+b.pick(i)+"/?take=5ms")
				}
			}
		})
	}
	for i := range b.backends {
		old := b.backends[i].Load()
		answered := l.ok.Load()
		old.until("requests flow", func() bool { return l.ok.Load() > answered+100 })
		if code := old.stop(); code != 0 {
			t.Errorf("gateway %d ended with %d\n%s", i, code, old.stderr)
		}
		b.backends[i].Store(serve(t, openConfig(address, drain)))
	}
	close(stop)
	wg.Wait()
	if l.lost.Load() != 0 || l.ok.Load() == 0 {
		t.Errorf("%d answered, %d failed, first: %s", l.ok.Load(), l.lost.Load(), l.first)
	}
	t.Logf("%d requests, 0 failed", l.ok.Load())
}

// balancer sends requests to the gateways that say they are ready.
type balancer struct {
	backends [2]atomic.Pointer[daemon]
	ready    [2]atomic.Bool
}

func (b *balancer) watch(stop <-chan struct{}) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		for i := range b.backends {
			d := b.backends[i].Load()
			b.ready[i].Store(d.status("http://"+d.admin+"/readyz") == http.StatusOK)
		}
		select {
		case <-tick.C:
		case <-stop:
			return
		}
	}
}

func (b *balancer) pick(i int) string {
	if !b.ready[i%2].Load() && b.ready[(i+1)%2].Load() {
		i++
	}
	return b.backends[i%2].Load().gateway
}

// TestScenario107_ShutdownUnderLoadLosesNothing: requests in flight finish, new
// ones are refused by the closed port, the exit code is 0.
func TestScenario107_ShutdownUnderLoadLosesNothing(t *testing.T) {
	address := freeAddress(t)
	startUpstream(t, address)
	d := serve(t, openConfig(address, ""))
	var l load
	var wg sync.WaitGroup
	const inFlight = 50
	for range inFlight {
		wg.Go(func() { l.get(d.client, "http://"+d.gateway+"/?take=1s") })
	}
	var g struct {
		InFlight int64 `json:"in_flight"`
	}
	d.until("all are in flight", func() bool {
		d.ask("/v1/guards/up", &g)
		return g.InFlight == inFlight
	})
	if code := d.stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, d.stderr)
	}
	wg.Wait()
	if l.ok.Load() != inFlight {
		t.Errorf("%d of %d finished, first: %s", l.ok.Load(), inFlight, l.first)
	}
	if conn, err := net.Dial("tcp", d.gateway); err == nil {
		conn.Close()
		t.Error("the gateway still listens")
	}
	if strings.Contains(d.stderr.String(), "panic") {
		t.Error(d.stderr)
	}
}

func TestSecondSIGTERMEndsAtOnce(t *testing.T) {
	address := freeAddress(t)
	startUpstream(t, address)
	d := serve(t, openConfig(address, "drain: { timeout: 10m }"))
	go d.status("http://" + d.gateway + "/?take=5m")
	var g struct {
		InFlight int64 `json:"in_flight"`
	}
	d.until("the request is in flight", func() bool {
		d.ask("/v1/guards/up", &g)
		return g.InFlight == 1
	})
	d.signal(syscall.SIGTERM)
	d.until("it drains", func() bool { return d.status("http://"+d.admin+"/readyz") == http.StatusServiceUnavailable })
	d.signal(syscall.SIGTERM)
	if code := d.wait(); code != 1 {
		t.Errorf("exit code %d", code)
	}
}

func TestFaultyFileChangesNothingAndItsRepairIsNoticed(t *testing.T) {
	address := freeAddress(t)
	startUpstream(t, address)
	d := serve(t, storyConfig(address, "enforce"))
	for range 5 {
		d.as("alice")
	}
	good := storyConfig(address, "enforce")(d.gateway, d.admin)
	d.write(t, strings.Replace(good, "limit: 5", "limitt: 5", 1))
	_, errs, code := run(t, "reload", "--addr", d.admin)
	if code != 1 || !strings.Contains(errs, "limitt") || !strings.Contains(errs, "foundation.yaml:6:") {
		t.Errorf("reload of a faulty file: %d\n%s", code, errs)
	}
	if got := d.as("alice"); got.status != 429 {
		t.Errorf("state was lost: %+v", got)
	}
	var s struct {
		Config struct {
			LastReloadSuccessful bool `json:"last_reload_successful"`
			Revision             uint64
		}
	}
	if d.ask("/v1/status", &s); s.Config.LastReloadSuccessful {
		t.Error("the status hides the refused reload")
	}
	d.write(t, strings.Replace(good, "limit: 5", "limit: 50", 1)) // noticed by itself
	d.until("the repair is noticed", func() bool { d.ask("/v1/status", &s); return s.Config.LastReloadSuccessful && s.Config.Revision == 2 })
	if got := d.as("bob"); got.status != 200 {
		t.Errorf("%+v", got)
	}
}

func TestFiveMistakesAreReportedWithLineAndColumn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "foundation.yaml")
	text := `version: 1
breakers:
  a: { failure_threshold: 0, window: 3 }
rate_limits:
  b: { limit: five }
guards:
  c: { breaker: aa, rate_limt: b }
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, errs, code := run(t, "config", "validate", file)
	for _, want := range []string{":3:", ":5:", ":7:", "failure_threshold", "write 3s", "five", "aa", "rate_limt", "rate_limit"} {
		if code != 1 || !strings.Contains(errs, want) {
			t.Errorf("%q is not reported (exit code %d)\n%s", want, code, errs)
		}
	}
	if _, errs, code := run(t, "serve", "--config", file); code != 2 || !strings.Contains(errs, ":7:") {
		t.Errorf("serve: %d\n%s", code, errs)
	}
}

func TestStartFaultsAreOneClearError(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	config := func(text string) string {
		file := filepath.Join(t.TempDir(), "foundation.yaml")
		if err := os.WriteFile(file, []byte("version: 1\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	admin := "admin: { listen: \"" + freeAddress(t) + "\" }\n"
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"no configuration", []string{"serve"}, 2, "quickstart"},
		{"no such file", []string{"serve", "-c", "/does/not/exist.yaml"}, 2, "no such file"},
		{"port in use", []string{"serve", "-c", config(admin + "gateway: { listen: \"" + taken.Addr().String() + "\" }\n")}, 1, "is in use by another process"},
		{"upstream that is no URL", []string{"serve", "-c", config(admin + "gateway: { routes: [{ match: \"/\", upstream: \"localhost\" }] }\n")}, 2, "upstream"},
		{"admin for everybody", []string{"serve", "-c", config("admin: { listen: \":0\" }\n")}, 2, "admin"},
		{"nobody answers", []string{"status", "--addr", freeAddress(t)}, 3, "no daemon answers"},
		{"unknown command", []string{"frobnicate"}, 2, "frobnicate"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, errs, code := run(t, c.args...)
			if code != c.code || !strings.Contains(errs, c.want) || strings.Count(errs, "Error:") != 1 {
				t.Errorf("exit code %d, want %d and %q\n%s", code, c.code, c.want, errs)
			}
		})
	}
}

func TestQuickstartShowsSomethingWithinSeconds(t *testing.T) {
	cmd := exec.Command(binary, "quickstart")
	page := &output{}
	cmd.Stdout = page
	p := start(t, cmd)
	d := &daemon{process: p, client: &http.Client{Timeout: patience}}
	d.until("it prints what to try", func() bool { return strings.Contains(page.String(), "Ctrl-C") })
	for line := range strings.Lines(page.String()) {
		if fields := strings.Fields(line); len(fields) == 2 && fields[0] == "gateway" {
			d.gateway = strings.TrimPrefix(fields[1], "http://")
		}
	}
	for i := range 6 {
		if got, want := d.as("alice").status, map[bool]int{true: 200, false: 429}[i < 5]; got != want {
			t.Errorf("request %d: %d, want %d", i+1, got, want)
		}
	}
	p.signal(os.Interrupt)
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.stderr)
	}
	if _, err := os.Stat(tempDirOf(page.String())); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something is left behind: %v", err)
	}
}

func tempDirOf(page string) string {
	for line := range strings.Lines(page) {
		if fields := strings.Fields(line); len(fields) == 2 && fields[0] == "config" {
			return filepath.Dir(fields[1])
		}
	}
	return "/"
}
