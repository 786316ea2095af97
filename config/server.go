package config

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/telemetry"
)

// Server decides which configuration is in force: one change at a time, each with
// a revision number, checked and prepared before anything of it can be seen. What
// the parts of a configuration are it leaves to its [Applier]. Package foundation
// makes one; see [Server.Apply], [Server.Edit] and [Server.Reload]. It is safe for
// concurrent use.
type Server struct {
	options ServerOptions
	log     *slog.Logger
	changes announcer
	records recorder

	current atomic.Pointer[inForce]      // replaced, never changed, by the holder of turn
	reload  atomic.Pointer[reloadResult] // as current
	file    atomic.Pointer[fileDocument] // what the file said when it was last taken over, nil without one; as current
	pending atomic.Uint64                // the revision that waits, see [ServerStatus]
	drift   drift                        // guarded by turn

	// turn admits one change at a time. It is a channel and not a mutex so that a
	// caller waiting for it can give up. It guards closed and taken. No event is emitted while
	// it is held.
	turn   chan struct{}
	closed bool
	taken  uint64 // the newest of the readings of the file that have had their turn

	readings atomic.Uint64 // of the file that have begun

	ending context.Context //nolint:containedctx // it ends with Close, and the change that is being made with it
	end    context.CancelFunc
	ended  chan struct{} // closed once no more changes come

	serving chan struct{} // holds one token while Serve runs
}

// Revision is a configuration that is or was in force.
type Revision struct {
	Number uint64    // 1 is the first
	Config *Config   // shared: change a [Config.Clone]
	At     time.Time // when it came into force
	Source string    // the path of the file it was read from, "api" or "code"
	// Hash tells documents apart by what they say: variables count as they were
	// written, comments, order and spelling do not. A secret that is written into the
	// document counts, so that a short one could be guessed from the hash.
	Hash string
}

// inForce is a revision, and what is closed when another takes its place.
type inForce struct {
	Revision

	replaced chan struct{}
}

// By says who changes a configuration and on what grounds. The zero By is an
// anonymous change of whatever is in force.
type By struct {
	Actor  string // a person, a tool, an address
	Reason string
	// Seen is the revision that the change was made for. Where another one is in
	// force by then, the change is refused with [fault.Conflict]. 0 means any.
	Seen uint64
	// API marks a change that came over the network. It may not set what the local file
	// alone sets, see [ParseOptions]; it outlives a restart as long as the file's
	// document stays as it is; and it is refused with [fault.Unavailable] while the
	// history cannot record it. Without API a change is one of the program's own code,
	// which may set everything and is gone at the end.
	API bool
	// DiscardDrift makes a [Server.Reload] put in force what the file says even if the
	// file has not changed since others changed the configuration.
	DiscardDrift bool
}

// Applier puts configurations in force.
type Applier interface {
	// Prepare does everything of the change from old to next that can fail, and
	// nothing that can be seen. next is valid, and changes lists how it differs, as
	// [Diff] does. ctx bounds it.
	Prepare(ctx context.Context, old, next *Config, changes []Change) (Transition, error)
}

// Transition is a prepared change. One of its two functions is called, once.
type Transition struct {
	// Commit puts the change in force, as the given revision. It cannot fail.
	Commit func(Revision)
	// Abort releases what was prepared, if the change is not made.
	Abort func()
}

// ServerOptions say what a [Server] serves. Applier is required.
type ServerOptions struct {
	Applier Applier
	// File is the path of the configuration file, and Parse how it is read; without
	// one Config is the first configuration.
	File   string
	Config *Config
	Parse  ParseOptions
	// Applied is called after a change is in force, once another may be made and before
	// its event: one call at a time, and a later one for several changes that come at
	// once. It may call anything. Nil is nothing.
	Applied func()
	// OpenHistory is called with the first configuration, before that comes into force,
	// and returns the history, for a place that the configuration itself names. Where it is
	// set History is not used; a nil history is one that ends with the process.
	OpenHistory func(ctx context.Context, first *Config) (History, error)
	// History records every change, and numbers go on from its last. It stays open at
	// Close. Nil is one that ends with the process.
	History History
	// Bus receives [Applied], [Rejected], [RolledBack] and [DriftDiscarded]; nil is silent.
	Bus *telemetry.Bus
	// Logger receives one line a change; nil discards it.
	Logger *slog.Logger
}

// component names this package in its faults.
const component = "config"

// The sources of configurations that were not read from a file.
const sourceInCode, sourceAPI = "code", "api"

// NewServer reads the first configuration and puts it in force: what the file says,
// or what was changed through the API since, if the file's document is the one that
// this was made on. It is revision 1, or the next after the last that the history
// has; one that sets what the last did is that revision. The context bounds the start
// alone. A history that answers [fault.Unavailable] does not keep the server from
// starting, see [Server.Serve]; another error of it does. On an error nothing is in
// force.
func NewServer(ctx context.Context, o ServerOptions) (*Server, error) {
	s := &Server{options: o, log: o.Logger, turn: make(chan struct{}, 1), serving: make(chan struct{}, 1), ended: make(chan struct{})}
	s.ending, s.end = context.WithCancel(context.Background())
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.changes.init(o.Bus, s.log)
	s.changes.follow = o.Applied
	s.records.init(o.History, s.log)
	now := time.Now()
	s.current.Store(&inForce{Revision{Config: &Config{}, At: now}, make(chan struct{})})
	s.reload.Store(&reloadResult{at: now, success: now})
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Server) first(ctx context.Context) (*Config, error) {
	switch {
	case s.options.File != "":
		cfg, err := s.Read(ctx)
		if err == nil {
			s.file.Store(newFileDocument(cfg))
		}
		return cfg, err
	case s.options.Config != nil:
		return s.options.Config, nil
	default:
		return &Config{}, nil
	}
}

// Read reads the configuration file and checks it, and changes nothing: what it
// returns is for [Server.Plan]. It blocks as [Load] does.
func (s *Server) Read(ctx context.Context) (*Config, error) {
	if s.options.File == "" {
		return nil, errNoFile()
	}
	cfg, err := Load(ctx, s.options.File, s.options.Parse)
	if err == nil {
		cfg.checkedBy, cfg.hashed = s, cfg.hash()
	}
	return cfg, err
}

// Current returns the revision in force.
func (s *Server) Current() Revision { return s.current.Load().Revision }

// Plan checks cfg and says what applying it would change, and what happens to
// state; the revision that it returns is the one in force. It changes and opens
// nothing: whether a pool can be opened is not known before [Server.Apply].
func (s *Server) Plan(cfg *Config) (Applied, error) {
	now := s.current.Load()
	warnings, err := s.check(cfg)
	if err != nil {
		return Applied{Revision: now.Number}, err
	}
	changes := Diff(now.Config, cfg, s.options.Parse.Sections...)
	return Applied{Revision: now.Number, Source: cfg.source(), Changes: changes, Warnings: warnings}, nil
}

// check validates cfg, unless this server did so when it read it.
func (s *Server) check(cfg *Config) (warnings []fault.Problem, err error) {
	switch {
	case cfg == nil:
		return nil, fault.New(fault.Spec{Code: fault.InvalidArgument, Component: component, Message: "the configuration is nil"})
	case cfg.checkedBy == s:
		return cfg.origin.warnings, nil
	default:
		return cfg.Validate(s.options.Parse.Registry)
	}
}

// Apply puts cfg in force as a whole, or returns an error and changes nothing.
// Parts whose names stay keep their state; calls in flight end under the settings
// they began with. A cfg that sets the same as the one in force is no new
// revision. What is returned says which revision is in force afterwards, also
// beside an error, and what changed. cfg must not be changed afterwards. ctx bounds
// the waiting for other changes and the preparation.
func (s *Server) Apply(ctx context.Context, cfg *Config, by By) (Applied, error) {
	return s.change(ctx, change{by: by, source: by.source(cfg.source()), next: func(*Config) (*Config, error) { return cfg, nil }})
}

// Edit applies the configuration in force as edit changes it; no other change
// comes between. edit gets a copy of its own, whose maps are never nil. Where it
// returns an error nothing changes and Edit returns that error. edit must not
// change the configuration through s. All else is as for [Server.Apply].
func (s *Server) Edit(ctx context.Context, edit func(*Config) error, by By) (Applied, error) {
	return s.change(ctx, change{by: by, source: by.source(sourceInCode), next: func(now *Config) (*Config, error) {
		next := now.Clone()
		next.makeMaps()
		if err := edit(next); err != nil {
			return nil, err
		}
		next.dropEmptyMaps()
		return next, nil
	}})
}

// Close ends the change that is being made, waits for that, and refuses all others
// from then on with [fault.Closed]. The configuration stays to be looked at. Records
// that wait for a history are tried once more, for at most a second.
func (s *Server) Close() {
	s.end()
	s.turn <- struct{}{}
	if !s.closed {
		close(s.ended)
	}
	s.closed = true
	<-s.turn
	s.records.finish()
}

func errNoFile() error {
	return fault.New(fault.Spec{Code: fault.InvalidArgument, Component: component, Message: "the layer has no configuration file"})
}

func errClosed() error {
	return fault.New(fault.Spec{Code: fault.Closed, Component: component, Message: "the layer was closed"})
}

// gaveUp answers a change whose context has ended: by its caller, or by Close.
func gaveUp(ctx context.Context) error {
	if f, ok := errors.AsType[*fault.Error](context.Cause(ctx)); ok && f.Code() == fault.Closed {
		return f
	}
	return fault.New(fault.Spec{
		Code: fault.Canceled, Component: component, Message: "the caller gave up before anything was changed", Cause: context.Cause(ctx),
	})
}

func overtaken(now, seen uint64) error {
	return fault.New(fault.Spec{
		Code: fault.Conflict, Component: component, Message: "the configuration was changed meanwhile: look at it again",
		Evidence: []fault.Fact{fault.Measure("revision", float64(now), ""), fault.Measure("seen", float64(seen), "")},
	})
}
