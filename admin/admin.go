package admin

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	foundation "github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/health/healthhttp"
	"github.com/elixirscope/foundation/internal/adminapi"
	"github.com/elixirscope/foundation/telemetry"
)

// Options say who may use an API and what there is around its layer. The zero value is an
// API for this machine alone: see [Access].
type Options struct {
	// Access says who may use the API. [API.Use] changes it later.
	Access Access
	// Metrics answers GET /metrics, for those who may use the API; nil is nothing there.
	Metrics http.Handler
	// Log receives a line for each change by hand and each refused token; nil is silent.
	Log *slog.Logger
	// LogLevel is the level of the program's log, as its handler has it from
	// [slog.HandlerOptions]; PUT /v1/log_level sets it, and what it is when the API is made is
	// what it goes back to. Nil offers none.
	LogLevel *slog.LevelVar
	// Program is what the API cannot know of the layer itself.
	Program Program
}

// Program is the program around a layer, as far as the API shows and drives it. Each
// function may be nil; none may block but as its context allows, and all must be safe for
// concurrent use.
type Program struct {
	// Build names the program in the status, as in "shop v1.2.3".
	Build string
	// Started is when the program began; the zero time is when the API was made.
	Started time.Time
	// NotReady says why the program takes no requests, "" if it does.
	NotReady func() string
	// Draining reports whether the program is about to end.
	Draining func() bool
	// Attention is what is wrong with the program itself, in words.
	Attention func() []string
	// Listeners are the addresses that the program listens on.
	Listeners func() []Listener
	// Routes are the paths that the program serves through guards.
	Routes func() []Route
	// Check finds what is wrong with a configuration that is only to be planned, beyond
	// what the layer can know: for example that a file of a certificate cannot be read.
	Check func(context.Context, *config.Config) error
	// Change makes one change of the configuration by calling change, which it may run
	// between others of its own or refuse. Nil calls it.
	Change func(ctx context.Context, change func(context.Context) (config.Applied, error)) (config.Applied, error)
	// Reload reads the file of the configuration again. Nil reloads the layer's, see
	// [config.Server.Reload].
	Reload func(context.Context, config.By) (config.Applied, error)
	// Switches are what of the program can be put into one of several states by hand, as the
	// way in which a sample upstream answers; Switch puts one into a state. Nil is that there
	// are none.
	Switches func() []Switch
	Switch   func(ctx context.Context, name, state string) error
	// Backup makes a consistent copy of what the layer records. Nil is that there is none.
	Backup func(context.Context) (Copy, error)
}

// Listener is one address that a program listens on.
type Listener = adminapi.Listener

// Route is one path that a program serves through a guard.
type Route = adminapi.Route

// Upstream is one host that the requests of a route go to.
type Upstream = adminapi.Upstream

// UpstreamError is the latest failure of a host.
type UpstreamError = adminapi.UpstreamError

// Panic says whether so many hosts of a route are out that all of them get requests.
type Panic = adminapi.Panic

// Lookup is how the hosts of a route were found in the DNS.
type Lookup = adminapi.Lookup

// UpstreamFailure are the failures of the upstream of a route that are of one class.
type UpstreamFailure = adminapi.UpstreamFailure

// Switch is something of a program that can be put into one of several states.
type Switch = adminapi.Switch

// Copy is a copy of what a layer records. It is read once and closed.
type Copy struct {
	io.ReadCloser

	// Bytes is its length.
	Bytes int64
	// Name is what the file of a store of this kind is called.
	Name string
}

// API is the admin API of one layer. It answers at the root: mount it below a path with
// [http.StripPrefix]. Make one with [New] and end it with [API.Close] before the layer is
// closed. It is safe for concurrent use.
type API struct {
	layer    *foundation.Foundation
	options  Options
	failures *authFailures
	turns    *turns
	level    *logLevel
	frames   *frames
	// recording holds one while a profile is recorded.
	recording chan struct{}
	probes    http.Handler

	// changing guards closed, and is held while current is replaced, so that none is left
	// unended.
	changing sync.Mutex
	closed   bool
	current  atomic.Pointer[admitted]
}

// admitted is the API under one [Access].
type admitted struct {
	http.Handler

	end context.CancelFunc // of the requests that follow the events
}

// New returns the API of a layer. It starts nothing.
func New(layer *foundation.Foundation, o Options) *API {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = http.NotFoundHandler()
	}
	if o.Program.Started.IsZero() {
		o.Program.Started = time.Now()
	}
	a := &API{
		layer: layer, options: o, failures: newAuthFailures(o.Log), turns: newTurns(o.Log),
		level: newLogLevel(o.LogLevel, layer.Bus(), o.Log), recording: make(chan struct{}, 1),
	}
	a.frames = newFrames((&api{API: a}).frame, o.Log)
	a.probes = healthhttp.Handler(layer.Health(), healthhttp.Options{NotReady: o.Program.NotReady})
	a.Use(o.Access)
	return a
}

// ServeHTTP implements [http.Handler].
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.current.Load().ServeHTTP(w, r) }

// Use lets others use the API from now on. Requests without an end, which were admitted
// before, end.
func (a *API) Use(access Access) {
	a.changing.Lock()
	defer a.changing.Unlock()
	ended, end := context.WithCancel(context.Background())
	if a.closed {
		end()
	}
	before := a.current.Swap(&admitted{(&api{API: a, ended: ended.Done(), guarded: access.guarded()}).handler(access), end})
	if before != nil {
		before.end()
	}
}

// Verdict is the word by which GET /v1/status begins: ok, attention or draining.
func (a *API) Verdict() string { return (&api{API: a}).judgedStatus().Verdict }

// Close ends the requests that have no end of their own. It does not wait for them, as the
// server that runs them does; later ones end at once. It waits for the frame that is being made
// for them. The level of the log goes back to what it was.
func (a *API) Close() {
	a.changing.Lock()
	a.closed = true
	a.current.Load().end()
	a.changing.Unlock()
	a.frames.close()
	a.level.close()
}

// Collect implements [telemetry.Source].
func (a *API) Collect(emit func(telemetry.Sample)) {
	a.failures.collect(emit)
	a.turns.collect(emit)
}
