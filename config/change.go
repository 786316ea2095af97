package config

import (
	"context"
	"time"

	"github.com/elixirscope/foundation/fault"
)

// change is one change that somebody wants.
type change struct {
	by     By
	source string
	// next computes the configuration from the one in force.
	next func(now *Config) (*Config, error)
	// wanted says what was wanted, where next does not get as far as a document.
	wanted []string
	// raw says that next reads a text whose secrets are not known before it is read: a
	// fault is then recorded without the values that it quotes.
	raw bool
	// even a document that is in force already becomes a revision.
	even bool
	// to is the revision that is rolled back to, 0 if none is.
	to uint64
	// number is what the revision gets at the start, 0 for the next one, and recorded
	// says that the history has it.
	number   uint64
	recorded bool
	// drift is what a restart restores afterwards; nil computes it.
	drift *drift
	// read is what the file says now, nil where it was not read.
	read *fileDocument
	// file says that the file takes the place of what was changed since, because of why.
	file bool
	why  string
}

func (b By) source(code string) string {
	if b.API {
		return sourceAPI
	}
	return code
}

// change computes a configuration from the one in force and applies it, all under
// the turn, and announces it afterwards.
func (s *Server) change(ctx context.Context, c change) (Applied, error) {
	defer s.changes.deliver()
	ctx, forget := s.open(ctx)
	defer forget()
	release, err := s.take(ctx)
	if err != nil {
		return Applied{Revision: s.current.Load().Number}, err
	}
	defer release()
	return s.apply(ctx, c)
}

// apply makes a change, records and announces it. REQUIRES: s.turn.
func (s *Server) apply(ctx context.Context, c change) (Applied, error) {
	old := s.current.Load().Revision
	next := Revision{Number: old.Number + 1, Source: c.source}
	if c.number > 0 {
		next.Number = c.number
	}
	cfg, warnings, err := s.compute(old, c)
	var changes []Change
	if cfg != nil {
		next.Config, next.Hash = cfg, cfg.hash()
		if err == nil && old.Number > 0 && !c.even && next.Hash == old.Hash && cfg.equal(old.Config) {
			return Applied{Revision: old.Number, Source: old.Source}, nil
		}
		changes = Diff(old.Config, cfg, s.options.Parse.Sections...)
		if old.Number == 0 {
			begin(changes)
		}
	}
	gone := s.drift
	if err == nil {
		err = s.replace(ctx, c, old, next, changes)
	}
	if err != nil {
		s.refused(ctx, c, next, changes, err)
		return Applied{Revision: old.Number}, err
	}
	applied := Applied{Revision: next.Number, Source: c.source, Actor: c.by.Actor, Reason: c.by.Reason, Changes: changes, Warnings: warnings}
	s.announce(c, applied, gone, next)
	return applied, nil
}

// begin makes changes those of a start, which restarts nothing.
func begin(changes []Change) {
	for i := range changes {
		if c := &changes[i]; c.Restart {
			c.Restart, c.Effect, c.fixed = false, "", nil
		}
	}
}

// announce tells of a change that was made; gone is what a restart would have restored
// before. REQUIRES: s.turn.
func (s *Server) announce(c change, a Applied, gone drift, next Revision) {
	s.changes.waiting.Add(a)
	if c.to > 0 {
		s.changes.waiting.Add(RolledBack{Revision: a.Revision, To: c.to, Source: a.Source, Actor: a.Actor, Reason: a.Reason, Changes: a.Changes})
	}
	if c.file && gone.revision > 0 && gone.hash != next.Hash {
		s.changes.waiting.Add(DriftDiscarded{
			Revision: a.Revision, Discarded: gone.revision, Source: a.Source, Actor: a.Actor, Reason: a.Reason, Why: c.why,
		})
	}
}

// compute returns the checked configuration that c wants, and where that is refused
// the one that was wanted, if it is known. REQUIRES: s.turn.
func (s *Server) compute(old Revision, c change) (cfg *Config, warnings []fault.Problem, err error) {
	if c.by.Seen != 0 && c.by.Seen != old.Number {
		return nil, nil, overtaken(old.Number, c.by.Seen)
	}
	if c.by.API {
		if err := s.records.reachable(); err != nil {
			return nil, nil, err
		}
	}
	if cfg, err = c.next(old.Config); err != nil {
		return nil, nil, err
	}
	if warnings, err = s.check(cfg); err != nil {
		return cfg, nil, err
	}
	if c.by.API {
		err = s.options.Parse.onlyLocal(old.Config, cfg)
	}
	return cfg, warnings, err
}

// replace puts next in the place of old. It is recorded first: what is answered with
// success outlives the process. REQUIRES: s.turn.
func (s *Server) replace(ctx context.Context, c change, old, next Revision, changes []Change) error {
	if old.Number > 0 {
		if err := needsRestart(changes); err != nil {
			return err
		}
	}
	t, err := s.options.Applier.Prepare(ctx, old.Config, next.Config, changes)
	if err != nil {
		return err
	}
	committed := false
	defer func() {
		if !committed {
			t.Abort()
		}
	}()
	if ctx.Err() != nil {
		return gaveUp(ctx)
	}
	next.At = time.Now()
	drift := s.driftAfter(ctx, c, old, next)
	if err := s.keep(ctx, c, next, changes, drift); err != nil {
		return err
	}
	committed = true
	t.Commit(next)
	s.setDrift(drift)
	if c.read != nil {
		s.file.Store(c.read)
	}
	s.put(next)
	return nil
}

// put makes r the revision in force. REQUIRES: s.turn.
func (s *Server) put(r Revision) {
	old := s.current.Load()
	s.current.Store(&inForce{r, make(chan struct{})})
	close(old.replaced)
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
