package daemon

import (
	"context"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/internal/sampler"
	"github.com/elixirscope/foundation/telemetry"
)

// faultKind is what a listener's server deals with by itself, so that no handler
// and no access log sees it.
type faultKind int

const (
	faultBadRequest faultKind = iota // answered 400, 417, 431 or 501 without a handler
	faultHTTP2                       // a stream was reset, or a connection ended, for breaking the protocol
	faultTLS                         // the handshake failed
	faultPanic                       // a handler panicked
	faultAccept                      // a connection could not be accepted
	faultOther
	faultKinds
)

// faultKindInfo says how a kind is logged; name is the value of the metric's label.
var faultKindInfo = [faultKinds]struct {
	name  string
	level slog.Level
}{
	faultBadRequest: {"bad_request", slog.LevelInfo},
	faultHTTP2:      {"http2", slog.LevelInfo},
	faultTLS:        {"tls_handshake", slog.LevelInfo},
	faultPanic:      {"panic", slog.LevelError},
	faultAccept:     {"accept", slog.LevelError},
	faultOther:      {"other", slog.LevelWarn},
}

var descListenerFaults = &telemetry.Desc{
	Name: "foundation_listener_faults_total", Help: "What the HTTP server of a listener dealt with by itself, by kind.",
	Kind: telemetry.Counter, Labels: []string{"listener", "kind"},
}

// listenerFaults counts and logs the faults of one listener, one line a second of
// each kind. It is safe for concurrent use.
type listenerFaults struct {
	listener string
	log      *slog.Logger
	counts   [faultKinds]atomic.Uint64
	samplers [faultKinds]sampler.Sampler
}

// install makes srv report to f.
func (f *listenerFaults) install(srv *http.Server) {
	srv.ErrorLog = log.New(f, "", 0)
	srv.ConnState = f.connState
	srv.ConnContext = withWatchedConn
	srv.Handler = markServed(srv.Handler)
	srv.DisableGeneralOptionsHandler = true // OPTIONS * is for the handler, as all requests are
	if srv.HTTP2 == nil {
		srv.HTTP2 = &http.HTTP2Config{}
	}
	srv.HTTP2.CountError = f.countHTTP2
}

func (f *listenerFaults) note(kind faultKind, attrs ...slog.Attr) {
	f.counts[kind].Add(1)
	omitted, ok := f.samplers[kind].Allow(time.Now())
	if !ok {
		return
	}
	info := faultKindInfo[kind]
	attrs = append(attrs, slog.String("listener", f.listener), slog.String("kind", info.name), slog.Uint64("omitted", omitted))
	f.log.LogAttrs(context.Background(), info.level, "fault at a listener", attrs...)
}

func (f *listenerFaults) collect(emit func(telemetry.Sample)) {
	for kind := range f.counts {
		emit(telemetry.Sample{
			Desc: descListenerFaults, Labels: []string{f.listener, faultKindInfo[kind].name}, Value: float64(f.counts[kind].Load()),
		})
	}
}

// Write takes what net/http logs; each call is one message.
func (f *listenerFaults) Write(message []byte) (int, error) {
	text := strings.TrimSpace(string(message))
	f.note(kindOf(text), slog.String("error", text))
	return len(message), nil
}

// kindOf tells messages of net/http apart by their beginnings, which is all that
// there is. One that a later version words otherwise counts as other.
func kindOf(message string) faultKind {
	for _, known := range []struct {
		prefix string
		kind   faultKind
	}{
		{"http: panic serving", faultPanic},
		{"http2: panic serving", faultPanic},
		{"http: Accept error", faultAccept},
		{"http: TLS handshake error", faultTLS},
		{"http2: ", faultHTTP2},
		{"timeout waiting for SETTINGS", faultHTTP2},
	} {
		if strings.HasPrefix(message, known.prefix) {
			return known.kind
		}
	}
	return faultOther
}

// countHTTP2 counts the streams that are reset for a fault, which are not logged.
// Those that end a connection are, and frames that arrive for a stream that has
// just been closed are none: an answer may come before the end of its request.
func (f *listenerFaults) countHTTP2(fault string) {
	if strings.HasPrefix(fault, "stream_") && !strings.HasSuffix(fault, "_closed") {
		f.note(faultHTTP2, slog.String("error", fault))
	}
}

// listen returns ln with connections that are watched.
func (f *listenerFaults) listen(ln net.Listener) net.Listener { return watchedListener{ln} }

// connState hears of each state of a connection, of one after the other.
func (f *listenerFaults) connState(conn net.Conn, state http.ConnState) {
	if c := watchedConnOf(conn); c != nil && c.moved(state) {
		attrs := []slog.Attr{slog.String("remote", conn.RemoteAddr().String())}
		if answer := c.answer.Load(); answer != nil && conn == net.Conn(c) { // else it is encrypted
			attrs = append(attrs, slog.String("answer", *answer))
		}
		f.note(faultBadRequest, attrs...)
	}
}
