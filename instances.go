package foundation

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/elixirscope/foundation/health"
	"github.com/elixirscope/foundation/ratelimit/shared"
)

const (
	// instancesService is the service through which the processes that share counters know of each other.
	instancesService = "instances"
	beatEvery        = 2 * time.Second
	beatTTL          = 3 * beatEvery
	beatTimeout      = time.Second // it may take longer than a call may wait
	leaveTimeout     = 500 * time.Millisecond
)

// Instance is one of the processes that share counters, as it was last heard of.
type Instance struct {
	shared.Instance

	Self bool          // it is this process
	Age  time.Duration // since it was last heard of
	// SameConfiguration says that its configuration says the same as that of this process.
	SameConfiguration bool
}

// InstancesStatus is what is known of the processes that share counters.
type InstancesStatus struct {
	// Instances are those that were heard of in the last 6 seconds before the store was last asked, this
	// process included, in the order of their nodes and IDs. It is empty until then, and with a
	// store that is no [shared.Fleet].
	Instances []Instance
	// Err is why the store could not be asked last, nil if it could.
	Err error
	// DifferentSince is since when another instance has run another configuration, zero if none does.
	DifferentSince time.Time
}

// instances is the service that tells the other processes of this one, and counts them.
type instances struct {
	f        *Foundation
	fleet    shared.Fleet
	counters *shared.Counters // are told how many there are, whenever that is known
	self     shared.Instance
	said     string // of the server, in the log; belongs to Serve

	mu        sync.Mutex // guards what follows; nothing is called under it
	heard     []shared.Instance
	at        time.Time // when, by the clock of this process
	hash      string    // of this process, then
	err       error
	different time.Time
}

func newInstances(f *Foundation, fleet shared.Fleet, counters *shared.Counters) *instances {
	self := shared.Instance{ID: instanceID(), Node: f.options.Node, Version: version(), Started: time.Now()}
	return &instances{f: f, fleet: fleet, counters: counters, self: self}
}

// instanceID tells this process from all others, also from itself before a restart.
func instanceID() string {
	var id [6]byte
	_, _ = rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:])
}

// Serve implements [supervise.Service]. A store that is away is no failure of the service: what was known
// of the others stays.
func (i *instances) Serve(ctx context.Context) error {
	defer i.leave(ctx)
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		i.beat(ctx)
		i.say()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (i *instances) beat(ctx context.Context) {
	self := i.describe()
	limited, cancel := context.WithTimeout(ctx, beatTimeout)
	defer cancel()
	heard, err := i.fleet.Beat(limited, self, beatTTL)
	if ctx.Err() != nil {
		return
	}
	i.note(heard, err, self.Hash, time.Now())
	if err != nil {
		i.counters.Failed(err)
		return
	}
	i.counters.SetInstances(max(1, len(heard)))
}

// say logs once what operators should know of the server.
func (i *instances) say() {
	s := i.counters.Status()
	text := strings.Join(append([]string{s.Server, s.Fault}, s.Warnings...), "\n")
	if s.Away || s.Server == "" && s.Fault == "" || text == i.said {
		return
	}
	i.said = text
	server := slog.String("server", s.Server)
	switch {
	case s.Fault != "":
		i.f.log.Error("the server of the shared rate limits cannot be relied upon", server, slog.String("error", s.Fault))
	case len(s.Warnings) > 0:
		i.f.log.Warn("the server of the shared rate limits needs attention", server, slog.String("warnings", strings.Join(s.Warnings, "; ")))
	default:
		i.f.log.Info("rate limits are shared", server)
	}
}

// describe is what the others are told of this process now.
func (i *instances) describe() shared.Instance {
	self := i.self
	a := i.f.assembly.Load()
	self.Revision, self.Hash = a.Number, a.Hash
	self.Verdict = map[health.Status]string{health.Pass: "ok"}[i.f.health.Report().Status]
	if self.Verdict == "" {
		self.Verdict = "attention"
	}
	if i.f.options.Instance != nil {
		i.f.options.Instance(&self)
	}
	return self
}

func (i *instances) note(heard []shared.Instance, err error, hash string, now time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.err = err
	if err != nil {
		return
	}
	i.heard, i.at, i.hash = heard, now, hash
	differs := slices.ContainsFunc(heard, func(o shared.Instance) bool { return o.Hash != hash })
	if !differs {
		i.different = time.Time{}
	} else if i.different.IsZero() {
		i.different = now
	}
}

// leave says that this process ends. The context of the service has ended by then.
func (i *instances) leave(ctx context.Context) {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
	defer cancel()
	_ = i.fleet.Leave(limited, i.self.ID) // else the others do not hear of it, and count it no longer for that
}

// status is what is known. The ages are by the clock of the store up to the last beat, and by that of
// this process since.
func (i *instances) status() InstancesStatus {
	i.mu.Lock()
	defer i.mu.Unlock()
	s := InstancesStatus{Err: i.err, DifferentSince: i.different}
	asked := latest(i.heard)
	for _, o := range i.heard {
		s.Instances = append(s.Instances, Instance{
			Instance: o, Self: o.ID == i.self.ID, Age: max(0, asked.Sub(o.Seen)) + max(0, time.Since(i.at)), SameConfiguration: o.Hash == i.hash,
		})
	}
	slices.SortStableFunc(s.Instances, func(x, y Instance) int {
		return strings.Compare(x.Node+"\x00"+x.ID, y.Node+"\x00"+y.ID)
	})
	return s
}

// latest is when the store was asked, by its clock: the process itself was heard of just then.
func latest(all []shared.Instance) (at time.Time) {
	for _, o := range all {
		if o.Seen.After(at) {
			at = o.Seen
		}
	}
	return at
}

func (i *instances) health(emit func(health.Component)) {
	i.mu.Lock()
	err := i.err
	i.mu.Unlock()
	c := health.Component{Name: sharedSection + "/instances", Status: health.Pass, Criticality: health.Optional, DependsOn: []string{storeComponent}, See: "status --fleet"}
	if err != nil {
		c.Status, c.Output = health.Warn, "how many instances there are is not known now: "+shared.Reason(err)
	}
	emit(c)
}
