package daemon_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/elixirscope/foundation/cmd/internal/daemon"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/adminapi"
)

// write puts a configuration into a file of the test.
func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "foundation.yaml")
	rewrite(t, file, text)
	return file
}

func rewrite(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte("version: 1\n"+text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// run starts a daemon on free ports and stops it with the test.
func run(t *testing.T, o daemon.Options) *daemon.Daemon {
	t.Helper()
	d, err := daemon.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	d.Start()
	t.Cleanup(func() {
		if err := d.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return d
}

// client returns a client that leaves no goroutine behind.
func client(t *testing.T, security *tls.Config) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: security, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func get(t *testing.T, c *http.Client, url string) (int, string) {
	t.Helper()
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

const anywhere = "admin: { listen: \"127.0.0.1:0\" }\n"

func adminClient(d *daemon.Daemon) *adminapi.Client {
	return &adminapi.Client{Address: d.Address("admin")}
}

// planReload asks what a reload of the file would change.
func planReload(t *testing.T, d *daemon.Daemon) (applied adminapi.Applied, err error) {
	t.Helper()
	err = adminClient(d).Send(t.Context(), http.MethodPost, "/v1/reload?dry_run=1", nil, &applied)
	return applied, err
}

// planText asks what a configuration that comes over the network would change.
func planText(t *testing.T, d *daemon.Daemon, text string) error {
	t.Helper()
	return adminClient(d).Send(t.Context(), http.MethodPut, "/v1/config?dry_run=1", adminapi.ConfigRequest{YAML: text}, nil)
}

func upstream(t *testing.T, text string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }))
	t.Cleanup(server.Close)
	return server.URL
}

func TestProbesListenerTellsNothingElse(t *testing.T) {
	d := run(t, daemon.Options{ConfigFile: write(t, anywhere+"probes: { listen: \"127.0.0.1:0\" }\nguards: { g: {} }\n"), WatchEvery: -1})
	c := client(t, nil)
	for path, want := range map[string]int{"/livez": 200, "/readyz": 200, "/startupz": 200, "/metrics": 200, "/v1/status": 404, "/": 404} {
		if code, body := get(t, c, "http://"+d.Address("probes")+path); code != want || path != "/metrics" && strings.Contains(body, "guard") {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	if _, body := get(t, c, "http://"+d.Address("probes")+"/metrics"); !strings.Contains(body, `foundation_calls_total{guard="g",outcome="success"} 0`) ||
		!strings.Contains(body, "go_goroutines") {
		t.Error("a series is missing at the start")
	}
}

func TestNewLeavesNothingOpenAfterAFault(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gateway := free.Addr().String()
	free.Close()
	for _, c := range []struct {
		text string
		code fault.Code
	}{
		{fmt.Sprintf("admin: { listen: %q }\ngateway: { listen: %q }\n", taken.Addr(), gateway), fault.Unavailable},
		{fmt.Sprintf("admin: { listen: \":0\" }\ngateway: { listen: %q }\n", gateway), fault.InvalidConfig},
		{fmt.Sprintf(anywhere+"gateway: { listen: %q, tls: { cert_file: /none, key_file: /none } }\n", gateway), 0},
		{anywhere + "gateway: { routes: [ { match: \"/\", upstream: \"https://127.0.0.1:1\", tls: { ca_file: /none } } ] }\n", fault.InvalidConfig},
	} {
		_, err := daemon.New(t.Context(), daemon.Options{ConfigFile: write(t, c.text)})
		if err == nil || c.code != 0 && !errors.Is(err, c.code) {
			t.Errorf("%s: %v", c.text, err)
		}
		again, err := net.Listen("tcp", gateway)
		if err != nil {
			t.Fatalf("%s: the gateway's port was left open: %v", c.text, err)
		}
		again.Close()
	}
}

func TestReload_ErrorLeavesEverythingAsItWas(t *testing.T) {
	first := upstream(t, "first")
	text := func(listen, target, guard string) string {
		return fmt.Sprintf(anywhere+"guards: { g: { timeout: 5s } }\ngateway: { listen: %q, routes: [ { match: \"/\", upstream: %q, guard: %s } ] }\n", listen, target, guard)
	}
	file := write(t, text("127.0.0.1:0", first, "g"))
	d := run(t, daemon.Options{ConfigFile: file, WatchEvery: -1})
	c := client(t, nil)
	for name, faulty := range map[string]string{
		"no upstream": text("127.0.0.1:0", "nonsense", "g"), "unknown guard": text("127.0.0.1:0", first, "nope"), "another address": text("127.0.0.1:1", first, "g"), "no YAML": "{",
	} {
		rewrite(t, file, faulty)
		if _, err := d.Reload(t.Context(), config.By{}); !errors.Is(err, fault.InvalidConfig) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := planReload(t, d); name != "another address" && !errors.Is(err, fault.InvalidConfig) {
			t.Errorf("plan of %s: %v", name, err)
		}
		if code, body := get(t, c, "http://"+d.Address("gateway")); code != 200 || body != "first" {
			t.Errorf("after %s: %d %s", name, code, body)
		}
	}
	rewrite(t, file, text("127.0.0.1:0", upstream(t, "second"), "g"))
	planned, err := planReload(t, d)
	if err != nil || !planned.DryRun || len(planned.Changes) != 1 || planned.Changes[0].Section != "gateway" {
		t.Errorf("%+v %v", planned, err)
	}
	applied, err := d.Reload(t.Context(), config.By{})
	if err != nil || applied.Revision != 2 || len(applied.Changes) != 1 {
		t.Errorf("%+v %v", applied, err)
	}
	if _, body := get(t, c, "http://"+d.Address("gateway")); body != "second" {
		t.Errorf("the new route is not in use: %s", body)
	}
}

// Whoever asks what a configuration would do is told what is wrong with it all the same.
func TestAPlanTellsWhatIsVeryLikelyAMistake(t *testing.T) {
	const text = "guards: { g: { concurrency: 8 } }\n" +
		"gateway: { listen: \"127.0.0.1:0\", routes: [ { match: \"/\", upstream: \"http://127.0.0.1:1\", guard: g, key: \"{remote_ip}\" } ] }\n"
	d := run(t, daemon.Options{ConfigFile: write(t, anywhere+text), WatchEvery: -1})
	var applied adminapi.Applied
	err := adminClient(d).Send(t.Context(), http.MethodPut, "/v1/config?dry_run=1", adminapi.ConfigRequest{YAML: "version: 1\n" + text}, &applied)
	if err != nil || len(applied.Warnings) != 1 || applied.Warnings[0].Field != "gateway.routes[0].max_in_flight_per_key" {
		t.Errorf("%v: %+v", err, applied.Warnings)
	}
}

func TestAFaultyFileThatIsMendedIsNoticed(t *testing.T) {
	file := write(t, anywhere+"guards: { a: {} }\n")
	d := run(t, daemon.Options{ConfigFile: file, WatchEvery: 5 * time.Millisecond})
	c := client(t, nil)
	until := func(what, want string) {
		deadline := time.NewTimer(30 * time.Second)
		defer deadline.Stop()
		for {
			if _, body := get(t, c, "http://"+d.Address("admin")+"/v1/status"); strings.Contains(body, want) {
				return
			}
			select {
			case <-deadline.C:
				t.Fatal(what + " was never noticed")
			case <-time.NewTimer(5 * time.Millisecond).C:
			}
		}
	}
	rewrite(t, file, anywhere+"guards: { a: { timeot: 1s } }\n")
	until("the fault", "timeot")
	rewrite(t, file, anywhere+"guards: { b: {} }\n")
	until("the repair", `"name": "b"`)
}

func TestConcurrentReloadsAndStop(t *testing.T) {
	file := write(t, anywhere+"guards: { a: {} }\n")
	d, err := daemon.New(t.Context(), daemon.Options{ConfigFile: file, WatchEvery: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	d.Start()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				if _, err := d.Reload(context.Background(), config.By{}); errors.Is(err, fault.Closed) {
					return
				}
			}
		})
	}
	for range 3 {
		wg.Go(func() {
			if err := d.Stop(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestStopOfADaemonThatWasNeverStarted(t *testing.T) {
	d, err := daemon.New(t.Context(), daemon.Options{ConfigFile: write(t, anywhere)})
	if err != nil {
		t.Fatal(err)
	}
	address := d.Address("admin")
	if err := d.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	ln, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
}

func TestDrainKeepsAcceptingForItsDelayAndSaysNotReady(t *testing.T) {
	file := write(t, anywhere+fmt.Sprintf("gateway: { listen: \"127.0.0.1:0\", drain: { delay: 500ms }, routes: [ { match: \"/\", upstream: %q } ] }\n", upstream(t, "hello")))
	d := run(t, daemon.Options{ConfigFile: file, WatchEvery: -1})
	c := client(t, nil)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_ = d.Stop(context.Background())
	}()
	for {
		if code, _ := get(t, c, "http://"+d.Address("admin")+"/readyz"); code == http.StatusServiceUnavailable {
			break
		}
	}
	resp, err := c.Get("http://" + d.Address("gateway"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK || !resp.Close {
		t.Errorf("while draining: %d, close %v", resp.StatusCode, resp.Close)
	}
	<-stopped
}

func TestMaxConnections(t *testing.T) {
	file := write(t, anywhere+fmt.Sprintf("gateway: { listen: \"127.0.0.1:0\", limits: { max_connections: 1 }, routes: [ { match: \"/\", upstream: %q } ] }\n", upstream(t, "hello")))
	d := run(t, daemon.Options{ConfigFile: file, WatchEvery: -1})
	first, err := net.Dial("tcp", d.Address("gateway"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(first, "GET / HTTP/1.1\r\nHos") // not idle: its first request has begun
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		get(t, client(t, nil), "http://"+d.Address("gateway"))
	}()
	select {
	case <-answered:
		t.Error("a second connection was served beside the first")
	case <-time.NewTimer(100 * time.Millisecond).C:
	}
	first.Close()
	<-answered
}

// certificate writes a new certificate for 127.0.0.1 and returns its pool.
func certificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"tls.crt": {Type: "CERTIFICATE", Bytes: raw}, "tls.key": {Type: "EC PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}))
	return pool
}

func TestTLSListenerTakesOverNewCertificatesAndKeepsTheOldOnAFault(t *testing.T) {
	dir := t.TempDir()
	old := certificate(t, dir)
	file := write(t, anywhere+fmt.Sprintf("gateway: { listen: \"127.0.0.1:0\", tls: { cert_file: %[1]s/tls.crt, key_file: %[1]s/tls.key }, routes: [ { match: \"/\", upstream: %[2]q } ] }\n", dir, upstream(t, "hello")))
	d := run(t, daemon.Options{ConfigFile: file, WatchEvery: -1})
	url := "https://" + d.Address("gateway")
	resp, err := client(t, &tls.Config{RootCAs: old, MinVersion: tls.VersionTLS12}).Get(url)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.ProtoMajor != 2 {
		t.Errorf("served by %s", resp.Proto)
	}
	if err := os.WriteFile(filepath.Join(dir, "tls.key"), []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Reload(t.Context(), config.By{}); err == nil {
		t.Error("a broken key was not reported")
	}
	const refused = "the last reload was refused"
	if _, body := get(t, client(t, nil), "http://"+d.Address("admin")+"/v1/status"); !strings.Contains(body, refused) || !strings.Contains(body, "tls.crt and its key") {
		t.Errorf("the status does not say that a certificate cannot be read: %s", body)
	}
	get(t, client(t, &tls.Config{RootCAs: old, MinVersion: tls.VersionTLS12}), url)
	renewed := certificate(t, dir)
	if _, err := d.Reload(t.Context(), config.By{}); err != nil {
		t.Fatal(err)
	}
	if _, body := get(t, client(t, nil), "http://"+d.Address("admin")+"/v1/status"); strings.Contains(body, refused) {
		t.Errorf("the status still says that the reload was refused: %s", body)
	}
	get(t, client(t, &tls.Config{RootCAs: renewed, MinVersion: tls.VersionTLS12}), url)
}

// The file that names the authorities of an upstream stays the same while they
// change: a reload must look at them all the same.
func TestReloadTakesOverRenewedFilesOfUpstreams(t *testing.T) {
	dir := t.TempDir()
	upstreamOf := func() *httptest.Server {
		pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
		server.StartTLS()
		t.Cleanup(server.Close)
		return server
	}
	certificate(t, dir) // what the upstream has, and the gateway at first not
	up := upstreamOf()
	good, err := os.ReadFile(filepath.Join(dir, "tls.crt"))
	if err != nil {
		t.Fatal(err)
	}
	certificate(t, dir)
	file := write(t, anywhere+fmt.Sprintf("gateway: { listen: \"127.0.0.1:0\", routes: [ { match: \"/\", upstream: %q, tls: { ca_file: %s/tls.crt } } ] }\n", up.URL, dir))
	d := run(t, daemon.Options{ConfigFile: file, WatchEvery: -1})
	url, c := "http://"+d.Address("gateway"), client(t, nil)
	for _, step := range []struct {
		name    string
		content []byte
		refused bool
		want    int
	}{
		{"an unknown authority", nil, false, http.StatusBadGateway},
		{"the right one", good, false, http.StatusOK},
		{"a broken file", []byte("broken"), true, http.StatusOK},
	} {
		if step.content != nil {
			if err := os.WriteFile(filepath.Join(dir, "tls.crt"), step.content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := d.Reload(t.Context(), config.By{}); (err != nil) != step.refused {
			t.Errorf("%s: reload: %v", step.name, err)
		}
		if status, _ := get(t, c, url); status != step.want {
			t.Errorf("%s: %d", step.name, status)
		}
	}
}

// Each SIGHUP reads the files again; a fault that stays is one line.
func TestRefusedReloadsAreLoggedOnce(t *testing.T) {
	dir := t.TempDir()
	certificate(t, dir)
	file := write(t, anywhere+fmt.Sprintf("gateway: { listen: \"127.0.0.1:0\", tls: { cert_file: %[1]s/tls.crt, key_file: %[1]s/tls.key }, routes: [] }\n", dir))
	log, hangups, started, ended := make(lines, 100), make(chan os.Signal), make(chan *daemon.Daemon, 1), make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		ended <- daemon.Run(ctx, daemon.Options{ConfigFile: file, WatchEvery: -1, Log: slog.New(slog.NewTextHandler(log, nil))}, hangups, func(d *daemon.Daemon) { started <- d })
	}()
	<-started
	if err := os.WriteFile(filepath.Join(dir, "tls.key"), []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		hangups <- os.Interrupt
	}
	rewrite(t, file, anywhere+"guards: { a: { timeout: 5 } }\n")
	certificate(t, dir)
	for range 3 {
		hangups <- os.Interrupt
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	close(log)
	var refused []string
	for line := range log {
		if strings.Contains(line, "configuration refused") {
			refused = append(refused, line)
		}
	}
	if len(refused) != 2 || !strings.Contains(refused[0], "tls.crt and its key") || !strings.Contains(refused[1], "guards.a.timeout") || !strings.Contains(refused[1], "reason=SIGHUP") || !strings.Contains(refused[1], "actor=daemon") {
		t.Errorf("%d lines: %q", len(refused), refused)
	}
}

func TestRenewedFilesOfUpstreamsAreNoticed(t *testing.T) {
	dir := t.TempDir()
	certificate(t, dir)
	file := write(t, anywhere+fmt.Sprintf("gateway: { listen: \"127.0.0.1:0\", routes: [ { match: \"/\", upstream: \"https://127.0.0.1:1\", tls: { ca_file: %s/tls.crt } } ] }\n", dir))
	log := make(lines, 100)
	run(t, daemon.Options{ConfigFile: file, WatchEvery: time.Millisecond, Log: slog.New(slog.NewTextHandler(log, nil))})
	certificate(t, dir)
	log.await(t, "configuration read again, nothing differs")
	if err := os.Remove(filepath.Join(dir, "tls.crt")); err != nil {
		t.Fatal(err)
	}
	log.await(t, "configuration refused")
	rewrite(t, file, anywhere+"gateway: { listen: \"127.0.0.1:0\", routes: [] }\n")
	log.await(t, "configuration applied")
}

// lines is a log whose lines can be waited for.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

func (l lines) await(t *testing.T, what string) {
	t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	for {
		select {
		case line := <-l:
			if strings.Contains(line, what) {
				return
			}
		case <-deadline.C:
			t.Fatalf("%q was never logged", what)
		}
	}
}

func TestRunReloadsOnHangupAndDrainsAtTheEnd(t *testing.T) {
	file := write(t, anywhere+"guards: { a: {} }\n")
	hangups := make(chan os.Signal, 1)
	ctx, cancel := context.WithCancel(t.Context())
	started, ended := make(chan *daemon.Daemon, 1), make(chan error, 1)
	go func() {
		ended <- daemon.Run(ctx, daemon.Options{ConfigFile: file, WatchEvery: -1}, hangups, func(d *daemon.Daemon) { started <- d })
	}()
	d := <-started
	rewrite(t, file, anywhere+"guards: { b: {} }\n")
	hangups <- os.Interrupt
	c := client(t, nil)
	for {
		if _, body := get(t, c, "http://"+d.Address("admin")+"/v1/status"); strings.Contains(body, `"revision": 2`) {
			break
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
