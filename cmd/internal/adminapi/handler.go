package adminapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	foundation "github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/health/healthhttp"
)

// Daemon is what the API needs of the daemon around the layer.
type Daemon interface {
	// Describe fills in what only the daemon knows of the status.
	Describe(*Status)
	// Reload takes the configuration file over; PlanReload only says what that
	// would change.
	Reload(ctx context.Context, by config.By) (Applied, error)
	PlanReload(ctx context.Context) (Applied, error)
	// Plan says what a configuration that did not come from the file would change.
	Plan(ctx context.Context, c *config.Config) (Applied, error)
	// Change makes a change of another kind.
	Change(ctx context.Context, change func(context.Context, *config.Server) (config.Applied, error)) (Applied, error)
	// Parse reads the text of a configuration that came over the network.
	Parse(text string) (*config.Config, error)
	// Backup makes a consistent copy of the storage; see [Copy].
	Backup(ctx context.Context) (Copy, error)
}

// Options are what a handler is made of; all fields but Ended are required.
type Options struct {
	Layer    *foundation.Foundation
	Daemon   Daemon
	Security Security
	Probes   http.Handler // answers the probes and /metrics, without proof of identity
	Failures *AuthFailures
	Turns    *Turns // of those who send a configuration or follow the events
	// Ended is closed when the handler is replaced or the daemon stops: requests that
	// have no end of their own end then. Nil means never.
	Ended <-chan struct{}
	Log   *slog.Logger
}

// api is the handler's state; it has none of its own beside Options.
type api struct{ Options }

// Handler returns the admin API with its protection in front.
func Handler(o Options) http.Handler {
	a := &api{o}
	mux := http.NewServeMux()
	handle := func(pattern string, fn func(r *http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { answer(w, r, fn) })
	}
	handle("GET /v1/status", a.status)
	handle("GET /v1/guards", a.listGuards)
	handle("GET /v1/guards/{name}", a.getGuard)
	handle("GET /v1/breakers", a.listBreakers)
	handle("GET /v1/breakers/{name}", a.getBreaker)
	handle("PUT /v1/breakers/{name}/override", a.override)
	handle("DELETE /v1/breakers/{name}/override", a.release)
	handle("POST /v1/breakers/{name}/reset", a.reset)
	handle("GET /v1/rate_limits", a.listRateLimits)
	handle("GET /v1/rate_limits/{name}", a.getRateLimit)
	handle("GET /v1/rate_limits/{name}/keys/{key...}", a.peekKey)
	handle("DELETE /v1/rate_limits/{name}/keys/{key...}", a.resetKey)
	handle("POST /v1/check", a.check)
	handle("GET /v1/pools", a.listPools)
	handle("GET /v1/pools/{name}", a.getPool)
	handle("PUT /v1/config", a.putConfig)
	handle("PATCH /v1/config", a.patchConfig)
	handle("GET /v1/config/history", a.listHistory)
	handle("GET /v1/config/history/{revision}", a.getRevision)
	handle("POST /v1/config/rollback", a.rollback)
	handle("POST /v1/reload", a.reload)
	handle("GET /v1/events", a.listEvents)
	handle("POST /v1/events", a.annotate)
	handle("GET /v1/health", a.getHealth)
	handle("GET /v1/health/{name...}", a.getComponent)
	handle("GET /v1/services", a.listServices)
	handle("GET /v1/services/{name}", a.getService)
	handle("POST /v1/services/{name}/restart", a.restartService)
	handle("GET /v1/operations", a.listOperations)
	handle("GET /v1/operations/{name}", a.getOperation)
	handle("GET /v1/series", a.getSeries)
	handle("GET /v1/alerts", a.listAlerts)
	handle("GET /v1/silences", a.listSilences)
	handle("PUT /v1/silences/{name}", a.silence)
	handle("DELETE /v1/silences/{name}", a.endSilence)
	handle("GET /v1/memory", a.getMemory)
	handle("POST /v1/memory/simulate", a.simulateMemory)
	mux.HandleFunc("GET /v1/events/stream", a.streamEvents)
	mux.HandleFunc("POST /v1/storage/backup", a.backup)
	mux.HandleFunc("GET /v1/config", a.getConfig)
	mux.Handle("GET /metrics", o.Probes)
	mux.HandleFunc("/", notFound(mux))
	guarded := o.Security.protect(mux, o.Failures)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if healthhttp.Answers(r.URL.Path) { // load balancers have no token; metrics name every part, and need one
			o.Probes.ServeHTTP(w, r)
			return
		}
		guarded.ServeHTTP(w, r)
	})
}

func answer(w http.ResponseWriter, r *http.Request, fn func(*http.Request) (any, error)) {
	v, err := fn(r)
	switch {
	case err == nil:
		writeJSON(w, http.StatusOK, v)
	case errors.Is(err, fault.Conflict) && r.Header.Get("If-Match") != "":
		p := problemOf(err)
		p.Status = http.StatusPreconditionFailed
		writeProblem(w, p)
	default:
		writeError(w, err)
	}
}

// notFound answers in the form of all faults, and a wrong method with those
// that the path has.
func notFound(mux *http.ServeMux) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if allowed := methodsOf(mux, r); len(allowed) > 0 {
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			p := problemOf(refuse(fault.InvalidArgument, r.Method+" is not answered here: use "+strings.Join(allowed, " or ")))
			p.Status = http.StatusMethodNotAllowed
			writeProblem(w, p)
			return
		}
		writeError(w, refuse(fault.NotFound, "there is nothing at "+r.URL.Path+": docs/admin-api.md lists what there is"))
	}
}

func methodsOf(mux *http.ServeMux, r *http.Request) []string {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodPost, http.MethodPatch, http.MethodDelete} {
		probe := r.Clone(r.Context())
		probe.Method = method
		if _, pattern := mux.Handler(probe); pattern != "" && pattern != "/" {
			allowed = append(allowed, method)
		}
	}
	return allowed
}

// maxBody bounds the body of a request; a configuration is the largest.
const maxBody = 4 << 20

// read decodes the body of a request strictly: a misspelt field that is
// silently dropped would do something else than was asked.
func read(r *http.Request, into any) error {
	dec := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxBody))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return refuse(fault.InvalidArgument, "the body cannot be read: "+err.Error())
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return refuse(fault.InvalidArgument, "the body has more than one value")
	}
	return nil
}

// maxReason bounds, in bytes, what a person gives as the reason of a change: it goes into
// the log, the events and the history.
const maxReason = 1024

func checkReason(reason string) error {
	if len(reason) <= maxReason {
		return nil
	}
	return refuse(fault.InvalidArgument, fmt.Sprintf("reason has %d bytes, must have at most %d", len(reason), maxReason))
}

func (a *api) log(r *http.Request, action, kind, name string, more ...slog.Attr) {
	attrs := append([]slog.Attr{
		slog.String("action", action), slog.String("kind", kind), slog.String("name", name), slog.String("actor", actorOf(r.Context())),
	}, more...)
	a.Log.LogAttrs(r.Context(), slog.LevelInfo, "changed by hand", attrs...)
}

// dryRun reports whether the request only asks. A value that cannot be read is
// refused: whoever sends one does not want the change to be made.
func dryRun(r *http.Request) (bool, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return false, refuse(fault.InvalidArgument, "the query cannot be read: "+err.Error())
	}
	if !query.Has("dry_run") {
		return false, nil
	}
	on, err := strconv.ParseBool(query.Get("dry_run"))
	if err != nil {
		return false, refuse(fault.InvalidArgument, "dry_run must be 1 or 0")
	}
	return on, nil
}
