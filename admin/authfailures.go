package admin

import (
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/internal/sampler"
	"github.com/elixirscope/foundation/protect"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/telemetry"
)

// How many requests without a valid token one address may send before it is told
// to wait, and how many addresses are told apart; beyond that, new ones share.
const (
	authTries     = 10
	authPer       = time.Minute
	authAddresses = 10_000
)

var descAuthFailures = &telemetry.Desc{
	Name: "foundation_admin_auth_failures_total", Help: "Requests to the admin API without a valid token, by reason.",
	Kind: telemetry.Counter, Labels: []string{"reason"},
}

// authFailures logs, counts and slows the requests that carry no valid token. It
// looks only at those: credentials that are right always pass, so that nobody can
// lock out an operator with whom he shares an address. Guesses are not delayed but
// refused without a further look and at the price of a connection each: a delay
// would hold a goroutine for every guess. Make one with [newAuthFailures]; it
// outlives the handlers that a reload replaces. It is safe for concurrent use.
type authFailures struct {
	log     *slog.Logger
	limiter *ratelimit.Limiter
	sampler sampler.Sampler
	missing atomic.Uint64
	invalid atomic.Uint64
}

// newAuthFailures returns a memory of failures that is empty.
func newAuthFailures(log *slog.Logger) *authFailures {
	limiter, err := ratelimit.New("admin", ratelimit.Config{Limit: authTries, Per: authPer, MaxKeys: authAddresses})
	if err != nil {
		panic(err) // the settings are constants
	}
	return &authFailures{log: log, limiter: limiter}
}

// collect reports the counts.
func (f *authFailures) collect(emit func(telemetry.Sample)) {
	emit(telemetry.Sample{Desc: descAuthFailures, Labels: []string{"missing"}, Value: float64(f.missing.Load())})
	emit(telemetry.Sample{Desc: descAuthFailures, Labels: []string{"invalid"}, Value: float64(f.invalid.Load())})
}

// note records the failure of r. It returns how long its address has to wait, 0 if
// it may try again at once.
func (f *authFailures) note(r *http.Request) (wait time.Duration) {
	reason, counter := "missing", &f.missing
	if r.Header.Get("Authorization") != "" {
		reason, counter = "invalid", &f.invalid
	}
	counter.Add(1)
	address := protect.ClientText(protect.RemoteIP(r))
	decision := f.limiter.Allow(ratelimit.KeyOf(address))
	if omitted, ok := f.sampler.Allow(time.Now()); ok {
		f.log.LogAttrs(r.Context(), slog.LevelWarn, "authentication failed",
			slog.String("reason", reason), slog.String("remote", r.RemoteAddr), slog.String("method", r.Method), slog.String("path", r.URL.Path),
			slog.Bool("slowed", !decision.OK), slog.Uint64("omitted", omitted))
	}
	return decision.RetryAfter
}

// bearer returns the token of an Authorization header. The name of the scheme has
// no case (RFC 9110, section 11.1).
func bearer(authorization string) (token string, ok bool) {
	scheme, token, ok := strings.Cut(authorization, " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	return strings.TrimLeft(token, " "), true
}
