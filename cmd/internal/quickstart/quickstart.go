// Package quickstart runs the layer with nothing prepared: a gateway with a
// rate limit and a breaker that a person can see at work within a minute, and a
// sample service behind it whose failures are switched on and off.
package quickstart

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/elixirscope/foundation/cmd/internal/daemon"
)

// Options say what a quickstart runs.
type Options struct {
	// Upstream is the URL of the service to guard; empty means the sample.
	Upstream string
	// Out receives what to try next.
	Out io.Writer
	// Program is how the user calls this program.
	Program string
	// Bold marks headings; nil leaves them as they are.
	Bold      func(string) string
	Build     string
	LookupEnv func(string) (string, bool)
	// Ready is called once everything answers; for tests.
	Ready func(Addresses)
}

// Addresses are where a quickstart listens. Upstream is a URL.
type Addresses struct {
	Gateway, Admin, Upstream string
	Sample                   bool // the upstream is the sample
}

// The addresses that are taken if they are free.
const (
	wantGateway  = "127.0.0.1:8080"
	wantAdmin    = "127.0.0.1:9181"
	wantUpstream = "127.0.0.1:9000"
)

// Run runs until ctx ends. Nothing is left behind.
func Run(ctx context.Context, o Options) error {
	if o.Bold == nil {
		o.Bold = func(s string) string { return s }
	}
	dir, err := os.MkdirTemp("", "foundation-quickstart-")
	if err != nil {
		return fmt.Errorf("make a temporary directory: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary directory is the system's to clear
	options := daemon.Options{
		LookupEnv: o.LookupEnv, Build: o.Build,
		Log: slog.New(slog.DiscardHandler), // the page that is printed is the output
	}
	upstream := o.Upstream
	if upstream == "" {
		sample := NewUpstream()
		url, stop, err := startSample(ctx, sample)
		if err != nil {
			return err
		}
		defer stop()
		upstream, options.Switches, options.Switch = url, sample.Switches, sample.Switch
	}
	file := filepath.Join(dir, "foundation.yaml")
	if err := os.WriteFile(file, []byte(Config(freeAddress(ctx, wantGateway), freeAddress(ctx, wantAdmin), upstream)), 0o600); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	options.ConfigFile = file
	return daemon.Run(ctx, options, nil, func(d *daemon.Daemon) { o.greet(d, file, upstream) })
}

// startSample serves the sample upstream.
func startSample(ctx context.Context, sample *Upstream) (url string, stop func(), err error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", freeAddress(ctx, wantUpstream))
	if err != nil {
		return "", nil, fmt.Errorf("start the sample service: %w", err)
	}
	srv := &http.Server{Handler: sample, ReadHeaderTimeout: time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(ln) // ends with stop
	}()
	return "http://" + ln.Addr().String(), func() { _ = srv.Close(); <-done }, nil
}

// freeAddress returns want if nothing listens there, else one with a free port:
// a second quickstart must not stumble over the first.
func freeAddress(ctx context.Context, want string) string {
	var lc net.ListenConfig
	for _, address := range []string{want, "127.0.0.1:0"} {
		ln, err := lc.Listen(ctx, "tcp", address)
		if err != nil {
			continue
		}
		got := ln.Addr().String()
		if ln.Close() == nil {
			return got
		}
	}
	return want
}

// Config is the configuration of a quickstart: small numbers, so that a person
// sees each protection act.
func Config(gateway, admin, upstream string) string {
	return fmt.Sprintf(`version: 1
namespace: quickstart
admin: { listen: %q }
breakers:
  demo: { failure_threshold: 3, window: 10s, cooldown: 5s }
rate_limits:
  per_address: { limit: 600, per: 1m, parts: 1 }
  per_user: { limit: 5, per: 1m, burst: 5, parts: 2, parent: per_address }
guards:
  demo: { rate_limit: per_user, breaker: demo, timeout: 2s }
gateway:
  listen: %q
  drain: { timeout: 3s }
  routes:
    - { match: "/", upstream: %q, guard: demo, key: "{remote_ip}/{header:X-User}", max_in_flight_per_key: 64 }
`, admin, gateway, upstream)
}

func (o Options) greet(d *daemon.Daemon, file, upstream string) {
	addresses := Addresses{Gateway: d.Address("gateway"), Admin: d.Address("admin"), Upstream: upstream, Sample: o.Upstream == ""}
	_, err := io.WriteString(o.Out, o.page(addresses, file))
	if err != nil && !errors.Is(err, os.ErrClosed) {
		return // nobody reads; the gateway works all the same
	}
	if o.Ready != nil {
		o.Ready(addresses)
	}
}

// page is what the user reads: what runs, and commands that can be pasted into
// another terminal.
func (o Options) page(a Addresses, file string) string {
	addr := ""
	if a.Admin != wantAdmin {
		addr = " --addr " + a.Admin
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n  %s http://%s/    in a browser: all that follows, seen at a glance\n", o.Bold("page    "), a.Admin)
	fmt.Fprintf(&b, "  %s http://%s\n  %s %s\n  %s %s\n", o.Bold("gateway "), a.Gateway, o.Bold("upstream"), a.Upstream, o.Bold("config  "), file)
	b.WriteString("\n  5 requests a minute for each user; 3 failures within 10 s open the breaker for 5 s.\n")
	section := func(title string, commands ...string) {
		fmt.Fprintf(&b, "\n  %s\n", o.Bold(title))
		for _, c := range commands {
			fmt.Fprintf(&b, "    %s\n", c)
		}
	}
	get := "curl -i http://" + a.Gateway + "/"
	many := func(user string, n int) string {
		return fmt.Sprintf("for i in $(seq %d); do curl -s -o /dev/null -w '%%{http_code}\\n' -H 'X-User: %s' http://%s/; done", n, user, a.Gateway)
	}
	section("Try it, in another terminal", get)
	section("Hit the limit: five pass, the sixth is told when to come back", many("alice", 6), get+" -H 'X-User: alice'")
	section("Another user is not touched", get+" -H 'X-User: bob'")
	if a.Sample {
		section("Break the upstream, here or on the page: three failures, then it is left in peace", "curl -X POST "+a.Upstream+"/-/break", many("carol", 5))
		section("Heal it: five seconds later requests pass again", "curl -X POST "+a.Upstream+"/-/heal", get+" -H 'X-User: dave'")
	}
	section("See what happened, and why", o.Program+" status"+addr, o.Program+" top"+addr, o.Program+" get breaker demo"+addr,
		o.Program+" rate-limit denied per_user"+addr, o.Program+" events"+addr, "curl -s http://"+a.Admin+"/metrics | grep ^foundation_")
	section("Take it in hand", o.Program+" breaker force-open demo --for 1m --reason 'trying it out'"+addr, o.Program+" breaker auto demo"+addr)
	b.WriteString("\n  Ctrl-C ends it.\n\n")
	return b.String()
}
