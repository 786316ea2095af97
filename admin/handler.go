package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/elixirscope/foundation/admin/web"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/health/healthhttp"
)

// api answers the requests that one [Access] admits.
type api struct {
	*API

	ended   <-chan struct{} // closed when requests without an end of their own must end
	guarded bool            // requests prove who sends them
}

// handler is the API with its protection in front.
func (a *api) handler(access Access) http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, fn func(r *http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { answer(w, r, fn) })
	}
	handle("GET /v1/status", a.status)
	handle("GET /v1/routes", a.listRoutes)
	handle("GET /v1/routes/{name}", a.getRoute)
	handle("GET /v1/upstreams", a.listUpstreams)
	handle("GET /v1/upstreams/{name...}", a.getUpstream)
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
	handle("GET /v1/why/{name}", a.why)
	handle("GET /v1/why/{kind}/{name}", a.why)
	handle("GET /v1/alerts", a.listAlerts)
	handle("GET /v1/silences", a.listSilences)
	handle("PUT /v1/silences/{name}", a.silence)
	handle("DELETE /v1/silences/{name}", a.endSilence)
	handle("GET /v1/memory", a.getMemory)
	handle("POST /v1/memory/simulate", a.simulateMemory)
	a.configuration(handle)
	mux.HandleFunc("GET /v1/events/stream", a.streamEvents)
	a.watching(mux, handle)
	mux.HandleFunc("POST /v1/storage/backup", a.backup)
	mux.HandleFunc("GET /v1/config", a.getConfig)
	mux.Handle("GET /metrics", a.options.Metrics)
	a.profiles(mux)
	mux.HandleFunc("/", notFound(mux))
	guarded, page := access.protect(mux, a.failures), access.show(web.Handler())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case healthhttp.Answers(r.URL.Path): // load balancers have no token; metrics name every part, and need one
			a.probes.ServeHTTP(w, r)
		case web.Answers(r.URL.Path):
			page.ServeHTTP(w, r)
		default:
			guarded.ServeHTTP(w, r)
		}
	})
}

// watching are the requests of those who watch the layer: a page, and the command top.
func (a *api) watching(mux *http.ServeMux, handle func(pattern string, fn func(*http.Request) (any, error))) {
	mux.HandleFunc("GET /v1/frames", a.streamFrames)
	mux.HandleFunc("GET /v1/frame", a.getFrame)
	handle("GET /v1/instances", a.listInstances)
	handle("GET /v1/instances/{id}", a.getInstance)
	handle("GET /v1/me", a.getMe)
	handle("GET /v1/sparklines", a.getSparklines)
	handle("GET /v1/breakers/{name}/states", a.getBreakerStates)
	handle("PUT /v1/switches/{name}", a.putSwitch)
}

// configuration are the requests for the configuration, and for the level of the log.
func (a *api) configuration(handle func(pattern string, fn func(*http.Request) (any, error))) {
	handle("GET /v1/log_level", a.getLogLevel)
	handle("PUT /v1/log_level", a.putLogLevel)
	handle("GET /v1/config/status", a.configStatus)
	handle("PUT /v1/config", a.putConfig)
	handle("PATCH /v1/config", a.patchConfig)
	handle("GET /v1/config/history", a.listHistory)
	handle("GET /v1/config/history/{revision}", a.getRevision)
	handle("POST /v1/config/rollback", a.rollback)
	handle("POST /v1/reload", a.reload)
}

func answer(w http.ResponseWriter, r *http.Request, fn func(*http.Request) (any, error)) {
	v, err := fn(r)
	switch {
	case err == nil:
		writeJSON(w, v)
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
	a.options.Log.LogAttrs(r.Context(), slog.LevelInfo, "changed by hand", attrs...)
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
