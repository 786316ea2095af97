package gateway

import (
	"bufio"
	"errors"
	"log/slog"
	"math"
	"net"
	"net/http"
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
func (l *accessLog) wants(status int, refusal, cutBy string) bool {
	if status >= http.StatusInternalServerError || refusal != "" || cutBy != "" {
		return true
	}
	return (l.seen.Add(1)-1)%l.every == 0
}

func (l *accessLog) write(r *http.Request, info *requestInfo, began time.Time) {
	status, cutBy := info.statusCode(), info.cutBy()
	if cutBy != "" {
		status = info.status // 0 if nothing was answered
	}
	if !l.wants(status, info.refusal, cutBy) {
		return
	}
	var match, guard string
	if info.route != nil {
		match, guard = info.route.match, info.route.guardName
	}
	l.log.LogAttrs(r.Context(), slog.LevelInfo, "request",
		slog.String("correlation_id", telemetry.Correlation(r.Context())),
		slog.String("method", r.Method),
		slog.String("host", r.Host),
		slog.String("path", r.URL.Path),
		slog.Int("status", status),
		slog.Int64("bytes", info.bytes),
		slog.Float64("duration_seconds", time.Since(began).Seconds()),
		slog.String("client", info.client.String()),
		slog.String("route", match),
		slog.String("guard", guard),
		slog.String("refused", info.refusal),
		slog.String("cut_by", cutBy),
	)
}

// cutBy says who ended an answer before it was complete: "client", "upstream",
// "gateway" if a handler panicked, "" if nobody did. A client that leaves takes the
// upstream's answer with it, so it is asked first.
func (i *requestInfo) cutBy() string {
	switch {
	case i.status == http.StatusSwitchingProtocols:
		return ""
	case i.unwritten, !i.returned && i.request.Context().Err() != nil:
		return "client"
	case i.returned:
		return ""
	case i.broken:
		return "upstream"
	}
	return "gateway"
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
		_ = w.deadlines.SetWriteDeadline(w.readBy(time.Now())) // a closed stream is told by Write
		w.clock = true
	}
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
