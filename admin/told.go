package admin

import (
	"errors"

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
