package main_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestIncidents plants what people are woken for behind a real gateway, and looks for
// it as they do: 'foundation status' must name the cause and a command, and that one
// command must hold the evidence. Nothing else may be needed.
func TestIncidents(t *testing.T) {
	t.Parallel()
	for _, in := range incidents() {
		t.Run(in.name, func(t *testing.T) {
			t.Parallel()
			in.test(t)
		})
	}
}

// incident is one outage. The lists are regular expressions without regard to case,
// each of which must match.
type incident struct {
	name     string
	guards   string                                                 // of the configuration, beside which route 'shop' leads to the upstream
	upstream func(s *scene, w http.ResponseWriter, r *http.Request) // once it is planted; nil: it stays well
	target   func(s *scene) string                                  // in place of that upstream, from the beginning
	route    string                                                 // more fields of the route
	plant    func(s *scene)
	clients  int           // that send requests one after the other; 0: one
	patience time.Duration // of each of them; 0: the test's
	status   []string
	why      []string
	command  string // that status must name
}

// scene is an incident that runs.
type scene struct {
	*testing.T
	incident

	d       *daemon
	planted atomic.Bool
	dir     string
}

const usualGuards = `
breakers: { shop: { failure_threshold: 5, window: 10s, cooldown: 5s } }
guards: { shop: { breaker: shop, timeout: 2s } }`

func incidents() []incident {
	return []incident{
		{
			name: "500s", guards: usualGuards, command: "why ",
			upstream: func(_ *scene, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
			status:   []string{`shop`, `5xx|500`},
			why:      []string{`status_5xx|5xx|500`, `failure threshold|of 5`, `since`},
		},
		{
			name: "an upstream that hangs", guards: "guards: { shop: { timeout: 300ms } }", command: "why ",
			upstream: func(_ *scene, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
			status:   []string{`shop`, `timed? ?out`},
			why:      []string{`timed? ?out`, `300 ?ms|0\.3`},
		},
		{
			name: "a flood of one client", command: "why ", clients: 2, route: `, key: "{header:X-User}"`,
			guards: "rate_limits: { per_client: { limit: 2, per: 1s } }\nguards: { shop: { rate_limit: per_client, timeout: 2s } }",
			status: []string{`rate.?limit`, `shop|per_client`},
			why:    []string{`per_client`, `mallory`, `2 per 1s|2/1s|limit +2|2 in 1s`},
		},
		{
			name: "all places taken", guards: "guards: { shop: { concurrency: 2, timeout: 30s } }", command: "why ", clients: 6,
			upstream: func(_ *scene, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
			status:   []string{`shop`, `concurrency|places`},
			why:      []string{`2 of 2`, `oldest|longest`},
		},
		{
			name: "a faulty file", guards: usualGuards, command: "config ",
			plant: func(s *scene) {
				s.d.write(s.T, strings.Replace(s.text(s.d.gateway, s.d.admin, s.target(s)), "timeout: 2s", "timeout: 2", 1))
			},
			status: []string{`reload|file`, `refused`},
			why:    []string{`guards\.shop\.timeout`, `unit`, `foundation\.yaml:\d+`},
		},
		{
			name: "a forgotten override", guards: usualGuards, command: "why ",
			plant: func(s *scene) {
				s.cli("breaker", "force-open", "shop", "--reason", "database migration", "--addr", s.d.admin)
			},
			status: []string{`shop`, `forced-open|forced open`},
			why:    []string{`forced-open|forced open`, `database migration`, `local`, `breaker auto shop`},
		},
		{
			name: "slow and nothing else", command: "why ", clients: 2,
			guards: "guards: { shop: { timeout: 10s } }\nperformance: { tick: 2s, thresholds: { shop: { p90: 100ms, min_calls: 2 } } }",
			upstream: func(_ *scene, w http.ResponseWriter, _ *http.Request) {
				<-time.NewTimer(400 * time.Millisecond).C
				_, _ = io.WriteString(w, "late")
			},
			status: []string{`shop`, `slow|latency`},
			why:    []string{`100 ?ms`, `4\d\d ?ms|0\.4`},
		},
		{
			name: "clients that leave", guards: "guards: { shop: { timeout: 30s } }", command: "why ", clients: 3, patience: 150 * time.Millisecond,
			upstream: func(_ *scene, w http.ResponseWriter, r *http.Request) {
				select {
				case <-time.NewTimer(2 * time.Second).C:
				case <-r.Context().Done():
				}
			},
			status: []string{`shop`, `clients leave`},
			why:    []string{`clients leave`, `given up +\d+% +20%`, `how long the upstream takes`},
		},
		{
			name: "a dead upstream", guards: usualGuards, command: "why ",
			target: func(s *scene) string { return "http://" + freeAddress(s.T) },
			status: []string{`shop`, `refused`},
			why:    []string{`connection refused|refused`, `upstream`, `since`},
		},
		{
			name: "a name that DNS does not know", guards: usualGuards, command: "why ",
			target: func(*scene) string { return "http://no-such-host.invalid:80" },
			status: []string{`shop`, `dns`},
			why:    []string{`dns`, `no-such-host\.invalid`},
		},
		{
			name: "a certificate of another name", guards: usualGuards, command: "why ",
			target: func(s *scene) string { return s.serveTLS(certificate{name: "other.example", until: time.Hour}) },
			status: []string{`shop`, `tls`},
			why:    []string{`tls`, `other\.example|not (valid )?for|name`},
		},
		{
			name: "an expired certificate", guards: usualGuards, command: "why ",
			target: func(s *scene) string { return s.serveTLS(certificate{name: "localhost", until: -time.Minute}) },
			status: []string{`shop`, `tls`},
			why:    []string{`tls`, `expired`},
		},
	}
}

// text is the configuration of the scene.
func (s *scene) text(gateway, admin, target string) string {
	route := s.route
	if strings.HasPrefix(target, "https:") {
		route += fmt.Sprintf(", tls: { ca_file: %q }", filepath.Join(s.dir, "ca.pem"))
	}
	return fmt.Sprintf("version: 1\nadmin: { listen: %q }\n%s\ngateway:\n  listen: %q\n  routes: [ { name: shop, match: /, upstream: %q, guard: shop%s } ]\n",
		admin, s.guards, gateway, target, route)
}

func (in incident) test(t *testing.T) {
	s := &scene{T: t, incident: in, dir: t.TempDir()}
	if s.target == nil {
		up := httptest.NewServer(http.HandlerFunc(s.answer))
		t.Cleanup(func() { up.CloseClientConnections(); up.Close() })
		s.target = func(*scene) string { return up.URL }
	}
	target := s.target(s)
	s.target = func(*scene) string { return target }
	s.d = serve(t, func(gateway, admin string) string { return s.text(gateway, admin, target) })
	s.load()
	s.d.until("a look at the healthy layer", func() bool { return s.cli("status", "--addr", s.d.admin) != "" })
	s.planted.Store(true)
	if s.plant != nil {
		s.plant(s)
	}
	s.search()
}

// answer is an upstream that is well until the incident is planted.
func (s *scene) answer(w http.ResponseWriter, r *http.Request) {
	if s.planted.Load() && s.upstream != nil {
		s.upstream(s, w, r)
		return
	}
	_, _ = io.WriteString(w, "hello")
}

// load sends requests until the test ends.
func (s *scene) load() {
	ctx, stop := context.WithCancel(s.Context())
	var clients sync.WaitGroup
	s.Cleanup(func() { stop(); clients.Wait() })
	for range max(1, s.clients) {
		clients.Go(func() {
			pace := time.NewTicker(50 * time.Millisecond)
			defer pace.Stop()
			for ctx.Err() == nil {
				s.request(ctx)
				select {
				case <-pace.C:
				case <-ctx.Done():
				}
			}
		})
	}
}

func (s *scene) request(ctx context.Context) {
	if s.patience > 0 && s.planted.Load() {
		var give context.CancelFunc
		ctx, give = context.WithTimeout(ctx, s.patience)
		defer give()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.d.gateway+"/", http.NoBody)
	if err != nil {
		s.Error(err)
		return
	}
	req.Header.Set("X-User", "mallory")
	resp, err := s.d.client.Do(req)
	if err != nil { // as the incident has it
		return
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
}

// cli runs a command and returns what it shows.
func (s *scene) cli(args ...string) string {
	stdout, stderr, code := run(s.T, args...)
	if code != 0 {
		s.Errorf("foundation %s ends with %d: %s", strings.Join(args, " "), code, stderr)
	}
	return stdout
}

// search looks for the cause, with two commands and no more.
func (s *scene) search() {
	deadline := time.Now().Add(patience)
	for {
		status := s.cli("status", "--addr", s.d.admin)
		missing := lacks(status, s.incident.status)
		command := named(status, s.command)
		if len(missing) == 0 && command != nil {
			shown := s.cli(append(command, "--addr", s.d.admin)...)
			if missing = lacks(shown, s.why); len(missing) == 0 {
				s.checkWidth(status)
				return
			}
			status += "\n$ foundation " + strings.Join(command, " ") + "\n" + shown
		}
		if time.Now().After(deadline) {
			s.Fatalf("the cause is not named; these do not match: %q\n%s", missing, status)
		}
		<-time.NewTimer(500 * time.Millisecond).C
	}
}

// lacks returns the expressions that do not match.
func lacks(text string, wanted []string) (missing []string) {
	for _, w := range wanted {
		if !regexp.MustCompile("(?i)" + w).MatchString(text) {
			missing = append(missing, w)
		}
	}
	return missing
}

var commandNamed = regexp.MustCompile(`→ \S+ (.+)`)

// named returns the first command that a page names, if it begins so.
func named(page, prefix string) []string {
	m := commandNamed.FindStringSubmatch(page)
	if len(m) < 2 || !strings.HasPrefix(m[1], prefix) {
		return nil
	}
	return strings.Fields(strings.ReplaceAll(m[1], `"`, ""))
}

func (s *scene) checkWidth(status string) {
	for line := range strings.Lines(status) {
		if n := len([]rune(strings.TrimRight(line, "\n"))); n > 100 {
			s.Errorf("a line of the status has %d columns: %s", n, line)
		}
	}
}

// certificate is what an upstream shows.
type certificate struct {
	name  string
	until time.Duration
}

// serveTLS starts an upstream with a certificate of its own authority, which the
// gateway trusts.
func (s *scene) serveTLS(c certificate) string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: c.name}, DNSNames: []string{c.name},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(c.until), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		s.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "ca.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		s.Fatal(err)
	}
	up := httptest.NewUnstartedServer(http.HandlerFunc(s.answer))
	up.Config.ErrorLog = log.New(io.Discard, "", 0)
	up.TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	up.StartTLS()
	s.Cleanup(up.Close)
	_, port, err := net.SplitHostPort(up.Listener.Addr().String())
	if err != nil {
		s.Fatal(err)
	}
	return "https://localhost:" + port
}
