package healthhttp

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/elixirscope/foundation/health"
)

// ContentType is the media type of the answers.
const ContentType = "application/health+json"

// Options say what a [Handler] tells. The zero value is ready.
type Options struct {
	// Details puts the components and what is wrong into the answers. Set it only where
	// whoever can ask may know.
	Details bool
	// NotReady is one more condition of readiness, asked for each request: the empty text, or
	// why the instance is not ready. Nil is none. It must not block.
	NotReady func() string
	// ServiceID and Version are told in the answers with details; empty leaves them out.
	ServiceID, Version string
}

// Handler answers the probes from the reports of a. It is safe for concurrent use.
func Handler(a *health.Aggregator, o Options) http.Handler {
	h := &handler{a, o}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", h.live)
	mux.HandleFunc("GET /readyz", h.ready)
	mux.HandleFunc("GET /startupz", h.started)
	mux.HandleFunc("GET /healthz", h.whole)
	mux.HandleFunc("GET /healthz/{group}", h.group)
	return mux
}

// Answers reports whether a [Handler] answers this path.
func Answers(path string) bool {
	switch path {
	case "/livez", "/readyz", "/startupz", "/healthz":
		return true
	}
	return strings.HasPrefix(path, "/healthz/")
}

type handler struct {
	aggregator *health.Aggregator
	options    Options
}

func (h *handler) live(w http.ResponseWriter, _ *http.Request) {
	r := h.aggregator.Report()
	h.gate(w, r.Live, r.NotLive)
}

func (h *handler) ready(w http.ResponseWriter, _ *http.Request) {
	r := h.aggregator.Report()
	ready, why := r.Ready, r.NotReady
	if h.options.NotReady != nil {
		if reason := h.options.NotReady(); reason != "" {
			ready, why = false, append([]string{reason}, why...)
		}
	}
	h.gate(w, ready, why)
}

func (h *handler) started(w http.ResponseWriter, _ *http.Request) {
	r := h.aggregator.Report()
	h.gate(w, r.Started, r.NotReady)
}

func (h *handler) whole(w http.ResponseWriter, _ *http.Request) {
	h.answer(w, h.aggregator.Report())
}

func (h *handler) group(w http.ResponseWriter, r *http.Request) {
	report, ok := h.aggregator.Report().Group(r.PathValue("group"))
	if !ok {
		write(w, http.StatusNotFound, body{Status: failed, Output: "there is no group of this name"})
		return
	}
	h.answer(w, report)
}

// gate answers a question that is answered with yes or no.
func (h *handler) gate(w http.ResponseWriter, ok bool, why []string) {
	b := body{Status: passed}
	code := http.StatusOK
	if !ok {
		b.Status, code = failed, http.StatusServiceUnavailable
	}
	if h.options.Details {
		b.Output = strings.Join(why, "; ")
		b.ServiceID, b.Version = h.options.ServiceID, h.options.Version
	}
	write(w, code, b)
}

func (h *handler) answer(w http.ResponseWriter, r *health.Report) {
	b := body{Status: word(r.Status)}
	code := http.StatusOK
	if r.Status == health.Fail {
		code = http.StatusServiceUnavailable
	}
	if h.options.Details {
		h.detail(&b, r)
	}
	write(w, code, b)
}

func (h *handler) detail(b *body, r *health.Report) {
	b.ServiceID, b.Version, b.Score = h.options.ServiceID, h.options.Version, &r.Score
	for _, d := range r.Deductions {
		b.Notes = append(b.Notes, d.Text())
	}
	b.Checks = make(map[string][]check, len(r.Components))
	for i := range r.Components {
		c := &r.Components[i]
		b.Checks[c.Name] = append(b.Checks[c.Name], checkOf(c))
	}
}

// The words of the draft. It has none for what is not known: a load balancer that does not
// know the word may take it for a failure.
const passed, warned, failed = "pass", "warn", "fail"

func word(s health.Status) string {
	switch s {
	case health.Pass:
		return passed
	case health.Fail:
		return failed
	default:
		return warned
	}
}

// body is an answer, in the order of the draft.
type body struct {
	Status    string             `json:"status"`
	Version   string             `json:"version,omitempty"`
	ServiceID string             `json:"serviceId,omitempty"`
	Output    string             `json:"output,omitempty"`
	Notes     []string           `json:"notes,omitempty"`
	Score     *int               `json:"score,omitempty"` // beyond the draft
	Checks    map[string][]check `json:"checks,omitempty"`
}

type check struct {
	ComponentType string     `json:"componentType"`
	Status        string     `json:"status"`
	ObservedValue *float64   `json:"observedValue,omitempty"`
	ObservedUnit  string     `json:"observedUnit,omitempty"`
	Time          *time.Time `json:"time,omitempty"`
	Output        string     `json:"output,omitempty"`
	// What follows is beyond the draft.
	Criticality string   `json:"criticality"`
	Impacted    bool     `json:"impacted,omitempty"`
	RootCauses  []string `json:"rootCauses,omitempty"`
}

func checkOf(c *health.Component) check {
	out := check{ComponentType: "component", Status: word(c.Status), Output: c.Output, Criticality: c.Criticality.String(), Impacted: c.Impacted, RootCauses: c.Causes}
	if c.Check != nil && c.Check.Outcome != health.NotRun {
		took := c.Check.Took.Seconds()
		out.ObservedValue, out.ObservedUnit, out.Time = &took, "s", &c.Check.At
	}
	return out
}

func write(w http.ResponseWriter, code int, b body) {
	text, err := json.Marshal(b)
	if err != nil {
		code, text = http.StatusInternalServerError, []byte(`{"status":"fail"}`)
	}
	header := w.Header()
	header.Set("Content-Type", ContentType)
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_, _ = w.Write(append(text, '\n')) // a client that has left is not the handler's concern
}
