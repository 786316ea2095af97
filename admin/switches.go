package admin

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/adminapi"
	"github.com/elixirscope/foundation/internal/suggest"
)

// getMe says who sends the request, for a page that offers only what they may do.
func (a *api) getMe(r *http.Request) (any, error) {
	return adminapi.Me{APIVersion: adminapi.Version, Actor: actorOf(r.Context()), Write: mayWrite(r.Context()), Guarded: a.guarded}, nil
}

// putSwitch puts something of the program into another state, and records who did and why: it
// is what a trouble that follows began with.
func (a *api) putSwitch(r *http.Request) (any, error) {
	var request adminapi.SwitchRequest
	if err := read(r, &request); err != nil {
		return nil, err
	}
	name, all := r.PathValue("name"), a.switches()
	i := slices.IndexFunc(all, func(s adminapi.Switch) bool { return s.Name == name })
	if i < 0 || a.options.Program.Switch == nil {
		return nil, refuse(fault.NotFound, fmt.Sprintf("there is no switch %q%s", name, suggest.For(name, namesOf(all, func(s *adminapi.Switch) string { return s.Name }))))
	}
	if !slices.Contains(all[i].States, request.State) {
		return nil, refuse(fault.InvalidArgument, fmt.Sprintf("state is %.40q, must be one of %s", request.State, strings.Join(all[i].States, ", ")))
	}
	if request.Reason == "" {
		return nil, refuse(fault.InvalidArgument, "reason must say why, for those who read the events later")
	}
	if err := checkReason(request.Reason); err != nil {
		return nil, err
	}
	if err := a.options.Program.Switch(r.Context(), name, request.State); err != nil {
		return nil, err
	}
	a.log(r, "switch", "switch", name, slog.String("state", request.State), slog.String("reason", request.Reason))
	a.recordSwitch(r, name, &request)
	return list(a.switches()), nil
}

// recordSwitch records a change that is made already: without a record of events it is only
// logged.
func (a *api) recordSwitch(r *http.Request, name string, request *adminapi.SwitchRequest) {
	feed, err := a.feed()
	if err != nil {
		return
	}
	data, err := json.Marshal(map[string]string{"state": request.State, "reason": request.Reason, "actor": actorOf(r.Context())})
	if err == nil {
		_, err = feed.Append(r.Context(), eventstore.Event{Type: "switch.changed", Severity: fault.SeverityInfo, Component: annotation, Name: name, Data: data})
	}
	if err != nil {
		a.options.Log.Warn("a switch was not recorded", slog.String("name", name), slog.Any("error", err))
	}
}
