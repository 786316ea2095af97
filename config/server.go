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

	current atomic.Pointer[Revision]     // replaced, never changed, by the holder of turn
	reload  atomic.Pointer[reloadResult] // as current
	file    atomic.Pointer[Config]       // what the file said when it was last taken over, nil without one; as current

	// turn admits one change at a time. It is a channel and not a mutex so that a
	// caller waiting for it can give up. It guards closed and taken. No event is emitted while
	// it is held.
	turn   chan struct{}
	closed bool
	taken  uint64 // the newest of the readings of the file that have had their turn

	readings atomic.Uint64 // of the file that have begun

	ending context.Context //nolint:containedctx // it ends with Close, and the change that is being made with it
	end    context.CancelFunc
}

// Revision is a configuration that is or was in force.
type Revision struct {
	Number uint64    // 1 is the first
	Config *Config   // shared: change a [Config.Clone]
	At     time.Time // when it came into force
	Source string    // the file it was read from, or "code"
}

// By says who changes a configuration and on what grounds. The zero By is an
// anonymous change of whatever is in force.
type By struct {
	Actor  string // a person, a tool, an address
	Reason string
	// Seen is the revision that the change was made for. Where another one is in
	// force by then, the change is refused with [fault.Conflict]. 0 means any.
	Seen uint64
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
	// Bus receives [Applied] and [Rejected]; nil is silent.
	Bus *telemetry.Bus
	// Logger receives one line a change; nil discards it.
	Logger *slog.Logger
}

// component names this package in its faults.
const component = "config"

// sourceInCode is the source of configurations that were made in Go.
const sourceInCode = "code"

// NewServer reads the first configuration and puts it in force as revision 1. The
// context bounds that alone. On an error nothing is in force.
func NewServer(ctx context.Context, o ServerOptions) (*Server, error) {
	s := &Server{options: o, log: o.Logger, turn: make(chan struct{}, 1)}
	s.ending, s.end = context.WithCancel(context.Background())
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.changes.init(o.Bus, s.log)
	s.changes.follow = o.Applied
	now := time.Now()
	s.current.Store(&Revision{Config: &Config{}, At: now})
	s.reload.Store(&reloadResult{at: now, success: now})
	cfg, err := s.first(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := s.Apply(ctx, cfg, By{}); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Server) first(ctx context.Context) (*Config, error) {
	switch {
	case s.options.File != "":
		cfg, err := s.Read(ctx)
		s.file.Store(cfg)
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
		cfg.checkedBy = s
	}
	return cfg, err
}

// Current returns the revision in force.
func (s *Server) Current() Revision { return *s.current.Load() }

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
	return s.change(ctx, by, cfg.source(), func(*Config) (*Config, error) { return cfg, nil })
}

// Edit applies the configuration in force as edit changes it; no other change
// comes between. edit gets a copy of its own, whose maps are never nil. Where it
// returns an error nothing changes and Edit returns that error. edit must not
// change the configuration through s. All else is as for [Server.Apply].
func (s *Server) Edit(ctx context.Context, edit func(*Config) error, by By) (Applied, error) {
	return s.change(ctx, by, sourceInCode, func(now *Config) (*Config, error) {
		next := now.Clone()
		next.makeMaps()
		err := edit(next)
		next.dropEmptyMaps()
		return next, err
	})
}

// change computes a configuration from the one in force and applies it, all under
// the turn, and announces it afterwards.
func (s *Server) change(ctx context.Context, by By, source string, next func(now *Config) (*Config, error)) (Applied, error) {
	defer s.changes.deliver()
	ctx, forget := s.open(ctx)
	defer forget()
	release, err := s.take(ctx)
	if err != nil {
		return Applied{Revision: s.current.Load().Number}, err
	}
	defer release()
	return s.apply(ctx, by, source, next)
}

// apply REQUIRES: s.turn.
func (s *Server) apply(ctx context.Context, by By, source string, next func(now *Config) (*Config, error)) (Applied, error) {
	old := s.current.Load()
	if by.Seen != 0 && by.Seen != old.Number {
		return Applied{Revision: old.Number}, overtaken(old.Number, by.Seen)
	}
	cfg, err := next(old.Config)
	var warnings []fault.Problem
	if err == nil {
		warnings, err = s.check(cfg)
	}
	if err == nil && old.Number > 0 && cfg.equal(old.Config) {
		return Applied{Revision: old.Number, Source: old.Source}, nil
	}
	var changes []Change
	if err == nil {
		changes, err = s.replace(ctx, old, Revision{Number: old.Number + 1, Config: cfg, Source: source})
	}
	if err != nil {
		s.changes.waiting.Add(Rejected{Revision: old.Number, Source: source, Actor: by.Actor, Reason: by.Reason, Err: err})
		return Applied{Revision: old.Number}, err
	}
	applied := Applied{Revision: old.Number + 1, Source: source, Actor: by.Actor, Reason: by.Reason, Changes: changes, Warnings: warnings}
	s.changes.waiting.Add(applied)
	return applied, nil
}

// replace puts next in the place of old.
func (s *Server) replace(ctx context.Context, old *Revision, next Revision) ([]Change, error) {
	changes := Diff(old.Config, next.Config, s.options.Parse.Sections...)
	if old.Number > 0 {
		if err := needsRestart(changes); err != nil {
			return nil, err
		}
	}
	t, err := s.options.Applier.Prepare(ctx, old.Config, next.Config, changes)
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		t.Abort()
		return nil, gaveUp(ctx)
	}
	next.At = time.Now()
	t.Commit(next)
	s.current.Store(&next)
	return changes, nil
}

// open returns a context for a change, which ends with that of the caller and with
// the server, because to wait for what would be closed at once is of no use.
func (s *Server) open(caller context.Context) (ctx context.Context, forget func()) {
	ctx, cancel := context.WithCancelCause(caller)
	stop := context.AfterFunc(s.ending, func() { cancel(errClosed()) })
	return ctx, func() { stop(); cancel(nil) }
}

// take waits for the turn to change something, which release gives back.
func (s *Server) take(ctx context.Context) (release func(), err error) {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, gaveUp(ctx)
	}
	if s.closed {
		<-s.turn
		return nil, errClosed()
	}
	return func() { <-s.turn }, nil
}

// Close ends the change that is being made, waits for that, and refuses all others
// from then on with [fault.Closed]. The configuration stays to be looked at.
func (s *Server) Close() {
	s.end()
	s.turn <- struct{}{}
	s.closed = true
	<-s.turn
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
