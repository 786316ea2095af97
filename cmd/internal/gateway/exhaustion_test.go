package gateway_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/cmd/internal/gateway"
	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/guard"
)

// Twenty-one dials without a descriptor used to open the breaker, which then refused
// whatever the connections that there were could have served.
func TestOutOfDescriptors_TheUpstreamIsNotToBlameAndTheInstanceNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lack atomic.Pointer[error]
		var log lines
		ask, b, g := dialing(t, &log, func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: *lack.Load()}
		})
		for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL} {
			err := os.NewSyscallError("socket", errno)
			lack.Store(&err)
			for range 10 {
				if got := ask(); got.Code != http.StatusServiceUnavailable || got.Header().Get("Retry-After") != "10" || !strings.Contains(got.Body.String(), `"unavailable"`) {
					t.Fatalf("%v: %d %s", errno, got.Code, got.Body)
				}
			}
			if why := g.Exhausted(); why != errno.Error() {
				t.Errorf("%v: exhausted of %q", errno, why)
			}
		}
		if c := b.Status().Totals; c.Ignored != 50 || c.Failures != 0 || b.State() != breaker.StateClosed {
			t.Errorf("counted %+v, the breaker is %v", c, b.State())
		}
		if n := strings.Count(log.String(), "this machine cannot connect to an upstream"); n != 1 {
			t.Errorf("logged %d times within a second: %s", n, log.String())
		}
		<-time.NewTimer(10*time.Second - 1).C
		if g.Exhausted() == "" {
			t.Error("ready too soon")
		}
		<-time.NewTimer(1).C
		if why := g.Exhausted(); why != "" {
			t.Errorf("still exhausted of %q", why)
		}
		ask()
		if g.Exhausted() == "" || !strings.Contains(log.String(), `"omitted":49`) {
			t.Errorf("exhausted of %q again, logged %s", g.Exhausted(), log.String())
		}
	})
}

func TestAnUpstreamThatCannotBeReachedIsToBlame(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ETIMEDOUT} {
		ask, b, g := dialing(t, &lines{}, func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", errno)}
		})
		if got := ask(); got.Code != http.StatusBadGateway || g.Exhausted() != "" || b.Status().Totals.Failures != 1 {
			t.Errorf("%v: %d, exhausted of %q, counted %+v", errno, got.Code, g.Exhausted(), b.Status().Totals)
		}
	}
}

// dialing is a gateway without a network in front of an upstream that is dialled so.
func dialing(t *testing.T, log *lines, dial func(context.Context, string, string) (net.Conn, error)) (ask func() *httptest.ResponseRecorder, b *breaker.Breaker, g *gateway.Gateway) {
	t.Helper()
	g = gateway.New(slog.New(slog.NewJSONHandler(log, nil)))
	table, err := g.Prepare(t.Context(), settings.Gateway{Routes: []settings.Route{{Match: "/", Upstream: "http://upstream", Guard: "g"}}})
	if err != nil {
		t.Fatal(err)
	}
	table.DialWith(dial)
	if b, err = breaker.New("b", breaker.Config{FailureThreshold: 5}); err != nil {
		t.Fatal(err)
	}
	gd, err := guard.New("g", guard.Config{Breaker: b})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Use(table, func(string) (*guard.Guard, error) { return gd, nil }); err != nil {
		t.Fatal(err)
	}
	return func() *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		g.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
		return w
	}, b, g
}
