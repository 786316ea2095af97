package admin

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/elixirscope/foundation/fault"
)

// workerFailed stands for why a worker cannot be made. Whether a port is closed, a name
// unknown or a password wrong is for those who read the log: told over the network it
// would make the layer a probe of the network behind it.
const workerFailed = "a worker cannot be made: the log of the daemon says why"

// told returns err as it may be told over the network: without what was found out by
// connecting somewhere.
func told(err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Code() != fault.WorkerFailed {
		return err
	}
	return fault.New(fault.Spec{Code: f.Code(), Component: f.Component(), Name: f.Name(), Message: workerFailed, Evidence: f.Evidence(), RetryAt: f.RetryAt()})
}

// tell is [told] for the answer to a request, which the log explains.
func (a *api) tell(r *http.Request, err error) error {
	shown := told(err)
	if shown != err { //nolint:errorlint // the same value, or another
		a.options.Log.Warn("a change was refused", slog.String("path", r.URL.Path), slog.String("error", err.Error()))
	}
	return shown
}
