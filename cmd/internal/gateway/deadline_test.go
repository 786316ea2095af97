package gateway_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/guard"
)

// grpcCall sends an empty message and waits for timeout at most, by what it says in
// the header, and returns the status of the call and its messages.
func grpcCall(r *rig, timeout string) (status, messages string, err error) {
	r.Helper()
	req := r.request(http.MethodPost, "/", strings.NewReader("\x00\x00\x00\x00\x00"))
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("Te", "trailers")
	if timeout != "" {
		req.Header.Set("Grpc-Timeout", timeout)
	}
	resp, err := r.http2().Do(req)
	if err != nil {
		return "", "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.Header.Get("Grpc-Status") + resp.Trailer.Get("Grpc-Status"), string(body), err
}

// late is a service whose calls end with the client's time.
type late struct {
	streams bool // it sends something at once
	resets  bool // when the time is over, as some servers do, rather than to say so
	heard   atomic.Value
}

func (l *late) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.heard.Store(r.Header.Get("Grpc-Timeout"))
	w.Header().Set("Content-Type", "application/grpc")
	if l.streams {
		_, _ = io.WriteString(w, "message")
		_ = http.NewResponseController(w).Flush()
	}
	<-r.Context().Done()
	if l.resets {
		panic(http.ErrAbortHandler)
	}
}

const exceeded = "4" // DeadlineExceeded

func TestAGRPCCallEndsWithTheTimeOfItsClient(t *testing.T) {
	for _, c := range []struct {
		name    string
		up      *late
		floor   time.Duration
		want    breaker.Counts
		message string
	}{
		{"before the floor", &late{}, time.Minute, breaker.Counts{Ignored: 1}, ""},
		{"after the floor", &late{}, time.Millisecond, breaker.Counts{Failures: 1}, ""},
		{"a stream, whatever the floor", &late{streams: true}, time.Millisecond, breaker.Counts{Ignored: 1}, "message"},
		{"a stream that is reset", &late{streams: true, resets: true}, time.Minute, breaker.Counts{Ignored: 1}, "message"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := h2cRig(t, c.up, func(s *setup) { s.guard = guard.Config{Timeout: time.Hour, DeadlineFloor: c.floor} })
			status, messages, err := grpcCall(r, "100m")
			if status != exceeded || messages != c.message || err != nil {
				t.Errorf("status %q after %q, %v", status, messages, err)
			}
			if got := r.outcomes(1); got != c.want {
				t.Errorf("counted %+v, want %+v", got, c.want)
			}
			if got := c.up.heard.Load(); got != "100m" {
				t.Errorf("the upstream was told %q", got)
			}
		})
	}
}

// An answer that is none of gRPC has no status to end with.
func TestAnAnswerThatHasBegunEndsWithTheTimeOfItsClientAndIsNeutral(t *testing.T) {
	r := h2cRig(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "text")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}), func(s *setup) { s.guard.DeadlineFloor = time.Millisecond })
	if status, text, err := grpcCall(r, "100m"); err == nil {
		t.Errorf("ended with status %q after %q as if it were whole", status, text)
	}
	r.nobodyBlamed(1, true)
}

// Also where the time is over before anything is asked.
func TestAGRPCCallWithoutAnyTimeIsLate(t *testing.T) {
	var log lines
	r := h2cRig(t, &late{}, func(s *setup) {
		s.gateway.AccessLog.Mode = settings.AccessLogAll
		s.log = &log
	})
	for _, timeout := range []string{"0S", "1n"} {
		if status, _, err := grpcCall(r, timeout); status != exceeded || err != nil {
			t.Errorf("%s: status %q, %v", timeout, status, err)
		}
	}
	if c := r.breaker.Status().Totals; c.Failures != 0 {
		t.Errorf("counted %+v", c)
	}
	r.server.Close() // waits for the handlers, which log last
	if n := strings.Count(log.String(), `"refused":"","cut_by":"","flags":["client_deadline"]`); n != 2 {
		t.Errorf("%d calls are logged with their client's deadline, want 2: %s", n, log.String())
	}
}

// Servers of gRPC answer it with Internal.
func TestATimeoutThatCannotBeReadReachesNoUpstream(t *testing.T) {
	var asked atomic.Bool
	r := h2cRig(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Store(true) }), func(*setup) {})
	const invalidArgument = "3"
	if status, _, err := grpcCall(r, "soon"); status != invalidArgument || err != nil || asked.Load() {
		t.Errorf("status %q, %v, asked %v", status, err, asked.Load())
	}
	if c := r.breaker.Status().Totals; c != (breaker.Counts{}) {
		t.Errorf("counted %+v", c)
	}
}

// A deadline that others have set is theirs.
func TestAnUpstreamThatIsLateByItsOwnClockFailed(t *testing.T) {
	for _, timeout := range []string{"", "1H"} {
		r := h2cRig(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set("Grpc-Status", exceeded)
		}), func(*setup) {})
		if status, _, err := grpcCall(r, timeout); status != exceeded || err != nil {
			t.Errorf("status %q, %v", status, err)
		}
		if c := r.outcomes(1); c != (breaker.Counts{Failures: 1}) {
			t.Errorf("timeout %q: counted %+v", timeout, c)
		}
	}
}

// It has the client's deadline from the request.
func TestAnUpstreamThatIsLateByTheClockOfItsClientIsNotToBlame(t *testing.T) {
	for _, messages := range []string{"", "message"} {
		r := h2cRig(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-time.NewTimer(480 * time.Millisecond).C // a moment before the client's time is over
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set("Trailer", "Grpc-Status")
			_, _ = io.WriteString(w, messages)
			w.Header().Set("Grpc-Status", exceeded)
		}), func(s *setup) { s.guard.DeadlineFloor = time.Minute })
		if status, _, err := grpcCall(r, "500m"); status != exceeded || err != nil {
			t.Errorf("status %q, %v", status, err)
		}
		r.nobodyBlamed(1, true)
	}
}

// Whoever does not speak gRPC has said nothing by the field.
func TestTheTimeoutOfGRPCIsThatOfGRPCAlone(t *testing.T) {
	r := newRig(t, http.HandlerFunc(hello), nil)
	req := r.request(http.MethodGet, "/", nil)
	req.Header.Set("Grpc-Timeout", "soon")
	if a := r.do(req); a.StatusCode != http.StatusOK {
		t.Errorf("answered %d", a.StatusCode)
	}
}

// A client that takes nothing is not waited for beyond the time that it has given.
func TestAGRPCStreamThatIsNotReadEndsWithTheTimeOfItsClient(t *testing.T) {
	r := h2cRig(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		for err := error(nil); err == nil && r.Context().Err() == nil; {
			_, err = w.Write(make([]byte, 1<<20))
		}
	}), func(*setup) {})
	req := r.request(http.MethodPost, "/", strings.NewReader("\x00\x00\x00\x00\x00"))
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("Grpc-Timeout", "200m")
	resp, err := r.http2().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	r.nobodyBlamed(1, true) // long before a client that does not read is cut
	if _, err := io.Copy(io.Discard, resp.Body); err != nil && errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
}
