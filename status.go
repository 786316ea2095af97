package foundation

import (
	"cmp"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/memory"
	"github.com/elixirscope/foundation/perf"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/supervise"
)

// Status is the whole layer at one moment, each list in the order of names.
type Status struct {
	Namespace string // "default" where the configuration names none
	Node      string // as in [Options]
	Revision  uint64
	AppliedAt time.Time
	Source    string // the file that the revision was read from, or "code"
	config.ServerStatus

	Guards        []guard.Status
	Breakers      []breaker.Status
	BreakerGroups []breaker.GroupStatus
	RateLimits    []ratelimit.Status
	Pools         []pool.Status
	Services      []supervise.Status
	Storage       StorageStatus
	Shared        *SharedStatus  // nil without its section
	Memory        *memory.Status // nil while its section is off
	Performance   *perf.Status   // the same
}

// Status returns a picture of the layer. Each part's is consistent in itself.
func (f *Foundation) Status() Status {
	a := f.assembly.Load()
	s := Status{
		Namespace: cmp.Or(a.Config.Namespace, "default"), Node: f.options.Node, Revision: a.Number, AppliedAt: a.At, Source: a.Source,
		ServerStatus: f.config.Status(), Services: f.services.Status(),
	}
	for _, section := range f.table {
		section.status(a, &s)
	}
	f.own.status(&s)
	return s
}
