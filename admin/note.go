package admin

import (
	"encoding/json"
	"log/slog"
	"net/http"

	"github.com/elixirscope/foundation/eventstore"
)

// reasonOf is the reason of a change that has no body to carry one, "" if none is given.
func reasonOf(r *http.Request) (string, error) {
	reason := r.URL.Query().Get("reason")
	return reason, checkReason(reason)
}

// note records who had something done by hand and why, beside what the part itself records
// of it. It is done already: that it cannot be recorded is for the log.
func (a *api) note(r *http.Request, kind, name, reason string) {
	feed, err := a.feed()
	if err != nil || reason == "" {
		return // nothing is recorded here, or there is nothing to add
	}
	data, err := json.Marshal(map[string]string{"actor": actorOf(r.Context()), "reason": reason})
	if err == nil {
		_, err = feed.Append(r.Context(), eventstore.Event{Type: kind, Component: annotation, Name: name, Data: data})
	}
	if err != nil {
		a.options.Log.Warn("what was done by hand could not be recorded", slog.String("event", kind), slog.String("name", name), slog.String("error", err.Error()))
	}
}
