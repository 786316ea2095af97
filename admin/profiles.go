package admin

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/elixirscope/foundation/fault"
)

// What a recording may last. The process pays for it, and a request that others may wait for.
const (
	cpuDefault, cpuMost     = 30, 120 // seconds
	traceDefault, traceMost = 1, 10
	// profilePatience is how long the client may take to read what was recorded.
	profilePatience = 30 * time.Second
)

// profiles answers what net/http/pprof does, which registers itself with the default mux of
// every program that links it. Who may only look may not see it: a profile names functions,
// and a recording slows the process down.
func (a *api) profiles(mux *http.ServeMux) {
	handle := func(pattern string, fn func(http.ResponseWriter, *http.Request) error) {
		mux.HandleFunc("GET "+pattern, func(w http.ResponseWriter, r *http.Request) {
			if !mayWrite(r.Context()) {
				writeError(w, refuse(fault.Forbidden, "profiles are for tokens of role write"))
				return
			}
			if err := fn(w, r); err != nil {
				writeError(w, err)
			}
		})
	}
	handle("/debug/pprof/", a.listProfiles)
	handle("/debug/pprof/{profile}", a.profile)
}

// listProfiles lists what there is, as text.
func (a *api) listProfiles(w http.ResponseWriter, r *http.Request) error {
	if r.URL.Path != "/debug/pprof/" {
		return refuse(fault.NotFound, "there is no such profile: GET /debug/pprof/ lists them")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "profile?seconds=%d\ntrace?seconds=%d\n", cpuDefault, traceDefault)
	for _, p := range pprof.Profiles() {
		fmt.Fprintf(&b, "%s?debug=1  # %d\n", p.Name(), p.Count())
	}
	header(w, "text/plain; charset=utf-8", "")
	_, _ = io.WriteString(w, b.String()) // a client that left needs none
	return nil
}

func (a *api) profile(w http.ResponseWriter, r *http.Request) error {
	switch name := r.PathValue("profile"); name {
	case "profile":
		return a.record(w, r, name, cpuDefault, cpuMost, pprof.StartCPUProfile, pprof.StopCPUProfile)
	case "trace":
		return a.record(w, r, name, traceDefault, traceMost, trace.Start, trace.Stop)
	default:
		return snapshot(w, r, name)
	}
}

// snapshot answers with a profile that the runtime keeps.
func snapshot(w http.ResponseWriter, r *http.Request, name string) error {
	p := pprof.Lookup(name)
	if p == nil {
		return refuse(fault.NotFound, "there is no profile "+quoted(name)+": GET /debug/pprof/ lists them")
	}
	debug, err := number(r, "debug", 0, 0, 2)
	if err != nil {
		return err
	}
	if gc, err := number(r, "gc", 0, 0, 1); err != nil {
		return err
	} else if gc == 1 && slices.Contains([]string{"heap", "allocs"}, name) {
		runtime.GC()
	}
	if debug > 0 {
		header(w, "text/plain; charset=utf-8", "")
	} else {
		header(w, "application/octet-stream", name+".pprof")
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(profilePatience)) // where there is one
	_ = p.WriteTo(w, debug)                                                             // a client that left needs none
	return nil
}

// record answers with what happens from now on. One is made at a time in a process: a second
// one is refused, whoever makes the first.
func (a *api) record(w http.ResponseWriter, r *http.Request, name string, seconds, most int, start func(io.Writer) error, stop func()) error {
	seconds, err := number(r, "seconds", seconds, 1, most)
	if err != nil {
		return err
	}
	busy := refuse(fault.Unavailable, "another recording is being made: try again when it has ended")
	select {
	case a.recording <- struct{}{}:
		defer func() { <-a.recording }()
	default:
		return busy
	}
	length := time.Duration(seconds) * time.Second
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(length + profilePatience)) // where there is one
	header(w, "application/octet-stream", name+".pprof")
	if err := start(w); err != nil { // the program itself records
		w.Header().Del("Content-Disposition")
		return busy
	}
	defer stop() // writes what a client that has left does not need
	a.log(r, "record", "profile", name, slog.Duration("for", length))
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	case <-a.ended:
	}
	return nil
}

// header begins an answer that is no JSON; a name makes it a file.
func header(w http.ResponseWriter, media, name string) {
	w.Header().Set("Content-Type", media)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if name != "" {
		w.Header().Set("Content-Disposition", "attachment; filename="+strconv.Quote(name))
	}
}

// number reads a parameter within bounds.
func number(r *http.Request, name string, otherwise, least, most int) (int, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, refuse(fault.InvalidArgument, fmt.Sprintf("%s must be a number from %d to %d", name, least, most))
	}
	return n, nil
}
