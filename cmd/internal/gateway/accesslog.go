package gateway

import (
	"bufio"
	"errors"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/telemetry"
)

// accessLog writes one line per request, or per some of them.
type accessLog struct {
	log   *slog.Logger
	every uint64 // 0: none; 1: all; n: every n-th ordinary one, and every refusal and 5xx
	seen  atomic.Uint64
}

func newAccessLog(c settings.AccessLog, log *slog.Logger) *accessLog {
	l := &accessLog{log: log}
	switch c.Mode {
	case settings.AccessLogAll:
		l.every = 1
	case settings.AccessLogSampled:
		l.every = math.MaxUint64 // a share of nothing: only what is always logged
		if c.Sample > 0 {
			l.every = uint64(math.Ceil(1 / c.Sample))
		}
	}
	return l
}

func (l *accessLog) enabled() bool { return l.every > 0 && l.log != nil }

// wants decides after the answer is known: a sampled log that missed the faults
// and the refusals would not be worth having.
func (l *accessLog) wants(status int, info *requestInfo) bool {
	if status >= http.StatusInternalServerError || info.refusal != 0 || info.by != nobody || info.flags != 0 || info.failed != noFailure {
		return true
	}
	return (l.seen.Add(1)-1)%l.every == 0
}

// write logs a request that has ended and took so long.
func (l *accessLog) write(info *requestInfo, took time.Duration) {
	status := info.statusCode()
	if info.by != nobody {
		status = info.status // 0 if nothing was answered
	}
	if !l.wants(status, info) {
		return
	}
	var route, guard, upstream, refused string
	if info.route != nil {
		route, guard, upstream = info.route.name, info.route.guardName, info.upstream()
	}
	if info.refusal != 0 {
		refused = info.refusal.String()
	}
	r := &info.request
	l.log.LogAttrs(r.Context(), slog.LevelInfo, "request",
		slog.String("request_id", telemetry.Correlation(r.Context())),
		slog.String("trace_id", telemetry.TraceID(info)),
		slog.String("method", r.Method),
		slog.String("host", r.Host),
		slog.String("path", r.URL.Path),
		slog.Int("status", status),
		slog.Int64("bytes", info.bytes),
		slog.Float64("duration_seconds", took.Seconds()),
		slog.Float64("upstream_seconds", info.header.Seconds()),
		slog.Int("attempts", info.attempts),
		slog.String("client", info.client.String()),
		slog.String("route", route),
		slog.String("upstream", upstream),
		slog.String("guard", guard),
		slog.String("refused", refused),
		slog.String("cut_by", info.by.String()),
		slog.Any("flags", info.words()),
	)
}

// cutBy says who ended an answer before it was complete: the gateway if a handler
// panicked. A client that leaves takes the upstream's answer with it, so it is asked
// first.
func (i *requestInfo) cutBy() party {
	switch {
	case i.status == http.StatusSwitchingProtocols:
		return nobody
	case i.unwritten, !i.returned && i.request.Context().Err() != nil:
		return byClient
	case i.returned:
		return nobody
	case i.broken:
		return byUpstream
	}
	return byGateway
}

// conclude says what is to be said of a request that has ended.
func (i *requestInfo) conclude() {
	i.by = i.cutBy()
	switch i.by {
	case byClient:
		if !i.has(flagClientNotReading) {
			i.flag(flagClientCanceled)
		}
	case byUpstream:
		i.flag(flagUpstreamCut)
	case byGateway:
		i.flag(flagGatewayCut)
	case nobody, cutParties:
	}
}

// responseWriter notes what was answered and keeps a client that does not read
// from holding a stream of HTTP/2 for ever. In HTTP/1 the connection sees to that,
// see [Gateway.Listener].
type responseWriter struct {
	http.ResponseWriter

	deadlines deadlineSetter // nil where the server has none
	idle      time.Duration
	until     time.Time // when the client gives up; the zero time where it has not said
	stream    bool      // of many on one connection
	clock     bool      // runs for the client of a stream
	read      time.Time // until when it must read then
	status    int
	bytes     int64
	broken    bool // the upstream's body could not be read to its end
	unwritten bool // the client did not take what was written
}

// deadlineSetter is what the writers of net/http are beside http.ResponseWriter.
// Asking for it once costs less than an http.ResponseController per request.
type deadlineSetter interface {
	SetReadDeadline(at time.Time) error
	SetWriteDeadline(at time.Time) error
}

func deadlinesOf(w http.ResponseWriter) deadlineSetter {
	d, _ := w.(deadlineSetter)
	return d
}

// Unwrap lets http.ResponseController reach the server's own writer.
func (w *responseWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Hijack implements http.Hijacker, for a connection that leaves HTTP.
func (w *responseWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil {
		w.status = http.StatusSwitchingProtocols
	}
	return conn, rw, err
}

func (w *responseWriter) statusCode() int {
	if w.status == 0 {
		return http.StatusOK
	}
	return w.status
}

func (w *responseWriter) WriteHeader(status int) {
	if w.status == 0 && (status >= http.StatusOK || status == http.StatusSwitchingProtocols) {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *responseWriter) Write(p []byte) (int, error) {
	w.startClock()
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	if err != nil && !errors.Is(err, http.ErrBodyNotAllowed) {
		w.unwritten = true
	}
	return n, err
}

// startClock gives the client of a stream its time to read. The clock goes on
// after the write, because what was written may wait in a buffer for a flush.
func (w *responseWriter) startClock() {
	if w.stream && w.deadlines != nil {
		w.read = w.readBy(time.Now())
		_ = w.deadlines.SetWriteDeadline(w.read) // a closed stream is told by Write
		w.clock = true
	}
}

// pastReading reports whether a write failed with err because the client took nothing in
// the time that it had. A stream that is reset for it may say no more than that it is closed.
func (w *responseWriter) pastReading(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || w.clock && !time.Now().Before(w.read)
}

// lastWord is how long a client whose time is over has to take what it is told of it.
const lastWord = time.Second

// readBy is when the client must have read what is written now.
func (w *responseWriter) readBy(now time.Time) time.Time {
	at := now.Add(w.idle)
	if w.until.IsZero() {
		return at
	}
	over := w.until
	if over.Before(now) {
		over = now
	}
	if over = over.Add(lastWord); over.Before(at) {
		return over
	}
	return at
}

// stopClock reports whether the clock ran. It stands while the upstream is waited
// for: HTTP/2 resets a stream when its deadline passes, also if nothing is there to
// be read.
func (w *responseWriter) stopClock() bool {
	if !w.clock {
		return false
	}
	_ = w.deadlines.SetWriteDeadline(time.Time{})
	w.clock = false
	return true
}
