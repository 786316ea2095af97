package admin

import (
	"cmp"
	"log/slog"
	"net/http"
	"slices"

	foundation "github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/adminapi"
	"github.com/elixirscope/foundation/registry"
	"github.com/elixirscope/foundation/supervise"
)

func serviceView(s supervise.Status) adminapi.Service {
	v := adminapi.Service{
		Name: s.Name, State: s.State.String(), Since: s.Since, SinceSeconds: elapsed(s.Since), Incarnation: s.Incarnation,
		Failures: s.Failures, TotalFailures: s.TotalFailures, FailedAt: s.FailedAt, Next: s.Next, RetryAfterSeconds: remaining(s.Next),
	}
	if s.Err != nil {
		v.LastError = s.Err.Error()
	}
	return v
}

// serviceStates are the states of services, the one to look at first first.
var serviceStates = []supervise.State{supervise.Failed, supervise.BackingOff, supervise.Starting, supervise.Running, supervise.Stopped, supervise.Completed}

func serviceViews(all []supervise.Status) []adminapi.Service {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(x, y supervise.Status) int {
		return cmp.Or(cmp.Compare(slices.Index(serviceStates, x.State), slices.Index(serviceStates, y.State)),
			cmp.Compare(y.TotalFailures, x.TotalFailures), cmp.Compare(x.Name, y.Name))
	})
	views := make([]adminapi.Service, 0, len(all))
	for _, s := range all {
		views = append(views, serviceView(s))
	}
	return views
}

func (a *api) listServices(*http.Request) (any, error) {
	return list(serviceViews(a.layer.Status().Services)), nil
}

func (a *api) getService(r *http.Request) (any, error) { return a.service(r.PathValue("name")) }

func (a *api) service(name string) (any, error) {
	for _, s := range a.layer.Status().Services {
		if s.Name == name {
			return serviceView(s), nil
		}
	}
	return nil, refuse(fault.NotFound, "there is no service "+name+": GET /v1/services lists those that there are")
}

func (a *api) restartService(r *http.Request) (any, error) {
	name := r.PathValue("name")
	var request adminapi.RestartRequest
	if err := read(r, &request); err != nil {
		return nil, err
	}
	if request.Reason == "" {
		return nil, refuse(fault.InvalidArgument, "reason must say why, for those who read the events later")
	}
	if err := checkReason(request.Reason); err != nil {
		return nil, err
	}
	tree, err := registry.Lookup[*supervise.Tree](a.layer.Registry(), "foundation", "services")
	if err != nil {
		return nil, err
	}
	if err := tree.Restart(name); err != nil {
		return nil, err
	}
	a.log(r, "restart", "service", name, slog.String("reason", request.Reason))
	a.note(r, "service.restart_requested", name, request.Reason)
	return a.service(name)
}

func storageView(s foundation.StorageStatus) adminapi.Storage {
	v := adminapi.Storage{
		Kind: s.Kind, Durable: s.Events.Durable, Since: s.Since, AwaySeconds: elapsed(s.Since),
		Events: uint64(s.Events.Events), Bytes: s.Events.Bytes, Oldest: s.Events.Oldest, Newest: s.Events.Newest,
		Emitted: s.Recorder.Emitted, Stored: s.Recorder.Stored, Waiting: s.Recorder.Waiting, Dropped: s.Recorder.Dropped,
	}
	if s.Err != nil {
		v.Away = s.Err.Error()
	}
	return v
}
