package foundation

import (
	"maps"
	"slices"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/ratelimit"
)

// Status is the whole layer at one moment, each list in the order of names.
type Status struct {
	Namespace string
	Revision  uint64
	AppliedAt time.Time
	Source    string // the file that the revision was read from, or "code"
	// Drifted tells that what is in force is not what the file said when it was last
	// read, whoever put it in force.
	Drifted bool
	// LastReload is when the file was last read; LastReloadError what was wrong with
	// it, or nil.
	LastReload      time.Time
	LastReloadError error

	Guards        []guard.Status
	Breakers      []breaker.Status
	BreakerGroups []breaker.GroupStatus
	RateLimits    []ratelimit.Status
	Pools         []pool.Status
}

// DefaultNamespace is the namespace of a layer that names none.
const DefaultNamespace = "default"

// Status returns a picture of the layer. Each part's is consistent in itself.
func (f *Foundation) Status() Status {
	r := f.revision.Load()
	at, err := f.LastReload()
	s := Status{
		Namespace: r.cfg.Namespace, Revision: r.number, AppliedAt: r.at, Source: r.source,
		Drifted: f.drifted(r), LastReload: at, LastReloadError: err,
		Guards:        statuses(r.guards, (*guard.Guard).Status),
		Breakers:      statuses(r.breakers, (*breaker.Breaker).Status),
		BreakerGroups: statuses(r.groups, (*breaker.Group).Status),
		RateLimits:    statuses(r.limiters, (*ratelimit.Limiter).Status),
		Pools:         statuses(r.pools, pool.Managed.Status),
	}
	if s.Namespace == "" {
		s.Namespace = DefaultNamespace
	}
	return s
}

func (f *Foundation) drifted(r *revision) bool {
	file := f.file.Load()
	return file != nil && !r.cfg.Equal(file)
}

func statuses[P, S any](parts map[string]P, of func(P) S) []S {
	out := make([]S, 0, len(parts))
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		out = append(out, of(parts[name]))
	}
	return out
}
