package gateway

import (
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/internal/errclass"
	"github.com/elixirscope/foundation/telemetry"
)

// upstreamClass is what was wrong with an upstream. The names are a contract.
type upstreamClass uint8

const (
	noFailure upstreamClass = iota
	failedRefused
	failedReset
	failedDNS
	failedTLS
	failedTimeout
	failedProtocol
	failedEOF
	failedOther // an error of the connection that is none of those above
	failedStatus
	failedGRPC
	upstreamClasses
)

var upstreamClassNames = [upstreamClasses]string{
	"", string(errclass.Refused), string(errclass.Reset), string(errclass.DNS), string(errclass.TLS), string(errclass.Timeout),
	string(errclass.Protocol), string(errclass.EOF), "other", "status_5xx", "status_grpc",
}

// classOf returns what err, which is about the upstream, says of it.
func classOf(err error) upstreamClass {
	if i := slices.Index(upstreamClassNames[1:], string(errclass.Of(err))); i >= 0 {
		return upstreamClass(i + 1)
	}
	return failedOther
}

// failureLineEvery is the pause between two log lines of one class and route.
const failureLineEvery = 10 * time.Second

// maxReason bounds what an upstream can put into the log and the status.
const maxReason = 400

// failures counts the failures of an upstream that are of one class. The zero value is
// ready. It is safe for concurrent use.
type failures struct {
	count atomic.Uint64

	// mu guards the fields below. Nothing is called under it.
	mu      sync.Mutex
	last    time.Time
	reason  string    // as the last line in the log has it
	next    time.Time // when there may be another
	omitted uint64
}

// add counts one, and reports whether it is to be logged, and how many were not.
func (f *failures) add(now time.Time) (omitted uint64, due bool) {
	f.count.Add(1)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last = now
	if now.Before(f.next) {
		f.omitted++
		return 0, false
	}
	omitted, f.omitted, f.next = f.omitted, 0, now.Add(failureLineEvery)
	return omitted, true
}

func (f *failures) explain(reason string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reason = reason
}

// status reports false if there were none.
func (f *failures) status() (s UpstreamFailures, found bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return UpstreamFailures{Count: f.count.Load(), Last: f.last, Reason: f.reason}, !f.last.IsZero()
}

// shortReason is the reason of err, within its bound.
func shortReason(err error) string {
	reason := reasonOf(err)
	if len(reason) > maxReason {
		reason = reason[:maxReason] + "…"
	}
	return reason
}

// failedAs counts a failure of the upstream, and logs it unless one of its class has just
// been. The first of a request counts.
func (i *requestInfo) failedAs(class upstreamClass, err error) {
	if i.route == nil || i.failed != noFailure {
		return
	}
	i.failed = class
	rt := i.route
	count := &rt.traffic.failures[class]
	omitted, due := count.add(time.Now())
	if !due {
		return
	}
	reason := shortReason(err)
	count.explain(reason)
	rt.log.LogAttrs(i, slog.LevelWarn, "an upstream failed",
		slog.String("route", rt.name), slog.String("upstream", i.upstream()), slog.String("class", upstreamClassNames[class]), slog.String("error", reason),
		slog.String("request_id", telemetry.Correlation(i)), slog.String("trace_id", telemetry.TraceID(i)), slog.Uint64("omitted", omitted))
}
