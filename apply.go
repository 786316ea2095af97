package foundation

import (
	"context"
	"time"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
)

// Change is what happens to one part when a configuration is applied.
type Change = config.Change

// Config returns the configuration in force, its revision and since when it is.
// The configuration is shared: change a Clone.
func (f *Foundation) Config() (cfg *config.Config, revision uint64, appliedAt time.Time) {
	r := f.revision.Load()
	return r.cfg, r.number, r.at
}

// Plan checks cfg and says what applying it would change, and what happens to
// state. It changes and opens nothing: that a pool can be opened is not known
// before Apply.
func (f *Foundation) Plan(cfg *config.Config) ([]Change, error) {
	if cfg == nil {
		return nil, nilConfig()
	}
	if err := cfg.Validate(f.options.Kinds); err != nil {
		return nil, err
	}
	return config.Diff(f.revision.Load().cfg, cfg), nil
}

// Apply puts cfg in force as a whole, or returns an error and changes nothing.
// Parts whose names stay keep their state; calls in flight end under the
// settings they began with. It returns the revision in force afterwards; a cfg
// that sets the same as the one in force is no new revision. cfg must not be
// changed afterwards. The context bounds the waiting for other changes and the
// opening of pools, as that of [Open] does.
func (f *Foundation) Apply(ctx context.Context, cfg *config.Config) (revision uint64, err error) {
	if cfg == nil {
		return f.revision.Load().number, nilConfig()
	}
	return f.change(ctx, cfg, sourceOf(cfg))
}

// ApplyAt is [Foundation.Apply] for a caller who has seen a revision and means to
// replace that one: it is refused with [fault.Conflict] if another is in force by
// the time its turn comes.
func (f *Foundation) ApplyAt(ctx context.Context, cfg *config.Config, seen uint64) (revision uint64, err error) {
	if cfg == nil {
		return f.revision.Load().number, nilConfig()
	}
	return f.edit(ctx, sourceOf(cfg), func(*config.Config) (*config.Config, error) {
		if now := f.revision.Load().number; now != seen {
			return nil, overtaken(now, seen)
		}
		return cfg, nil
	})
}

func sourceOf(cfg *config.Config) string {
	if file, _ := cfg.Source(); file != "" {
		return file
	}
	return sourceInCode
}

func overtaken(now, seen uint64) error {
	return fault.New(fault.Spec{
		Code: fault.Conflict, Component: component, Message: "the configuration was changed meanwhile: look at it again",
		Evidence: []fault.Fact{fault.Measure("revision", float64(now), ""), fault.Measure("seen", float64(seen), "")},
	})
}

func nilConfig() error {
	return fault.New(fault.Spec{Code: fault.InvalidArgument, Component: component, Message: "the configuration is nil"})
}

// change applies cfg under the turn and tells the news when it is over.
func (f *Foundation) change(ctx context.Context, cfg *config.Config, source string) (uint64, error) {
	return f.edit(ctx, source, func(*config.Config) (*config.Config, error) { return cfg, nil })
}

// edit computes a configuration from the one in force and applies it, all under
// the turn, so that no other change comes between.
func (f *Foundation) edit(ctx context.Context, source string, next func(now *config.Config) (*config.Config, error)) (uint64, error) {
	defer f.news.tell() // after the turn was given back
	ctx, release := f.untilClose(ctx)
	defer release()
	if err := f.take(ctx); err != nil {
		return f.revision.Load().number, err
	}
	defer func() { <-f.turn }()
	return f.applyLocked(ctx, source, next)
}

// untilClose returns ctx for a change, which Close ends, too: to wait for a pool that
// would be closed at once is no use.
func (f *Foundation) untilClose(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(f.ending, func() { cancel(errClosed()) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// applyLocked REQUIRES: f.turn.
func (f *Foundation) applyLocked(ctx context.Context, source string, next func(now *config.Config) (*config.Config, error)) (uint64, error) {
	old := f.revision.Load()
	cfg, err := next(old.cfg)
	if err == nil && old.number > 0 && cfg.Equal(old.cfg) {
		return old.number, nil
	}
	var t *transition
	if err == nil {
		t, err = f.prepare(ctx, cfg)
	}
	if err != nil {
		f.news.add(config.Rejected{Revision: old.number, Source: source, Err: err})
		return old.number, err
	}
	r := t.commit(source)
	f.news.add(config.Applied{Revision: r.number, Source: source, Changes: config.Diff(old.cfg, cfg), Warnings: cfg.Warnings()})
	return r.number, nil
}

// reloadResult is how the last reload ended.
type reloadResult struct {
	at      time.Time
	err     error
	success time.Time // of the last one that succeeded
}

// Reload reads the configuration file again and applies it. On any fault the
// configuration in force stays, and a later Reload works as if nothing had been.
// A file that sets what it set before changes nothing: also not what was changed
// through Apply or by adding parts since.
func (f *Foundation) Reload(ctx context.Context) error {
	if f.options.ConfigFile == "" {
		return fault.New(fault.Spec{Code: fault.InvalidArgument, Component: component, Message: "the layer has no configuration file"})
	}
	defer f.news.tell() // after the turn was given back
	ctx, release := f.untilClose(ctx)
	defer release()
	if err := f.take(ctx); err != nil {
		return err
	}
	defer func() { <-f.turn }()
	var read *config.Config
	_, err := f.applyLocked(ctx, f.options.ConfigFile, func(now *config.Config) (cfg *config.Config, err error) {
		if read, err = f.options.load(); err == nil && f.file.Load().Equal(read) {
			return now, nil
		}
		return read, err
	})
	if err == nil {
		f.file.Store(read)
	}
	f.record(err)
	return err
}

// record keeps how a reload ended. REQUIRES: f.turn.
func (f *Foundation) record(err error) {
	now := time.Now()
	result := &reloadResult{at: now, err: err, success: now}
	if err != nil {
		result.success = f.reload.Load().success
	}
	f.reload.Store(result)
}

// LastReload returns when the configuration file was last read, also at the
// start, and what was wrong with it, or nil.
func (f *Foundation) LastReload() (at time.Time, err error) {
	r := f.reload.Load()
	return r.at, r.err
}
