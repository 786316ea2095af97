package config

import (
	"context"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
)

// keep records a change that is about to be made. REQUIRES: s.turn.
func (s *Server) keep(ctx context.Context, c change, next Revision, changes []Change, d drift) error {
	if c.recorded {
		return nil
	}
	r := s.recordOf(c, next, changes)
	r.Revision, r.At, r.Outcome = next.Number, next.At, OutcomeApplied
	d.note(&r)
	return s.records.add(ctx, r, c.by.API)
}

// refused announces and records a change that was not made. One that the caller gave
// up was not judged. REQUIRES: s.turn.
func (s *Server) refused(ctx context.Context, c change, next Revision, changes []Change, err error) {
	now := s.current.Load().Number
	if c.raw && next.Config == nil {
		err = withoutValues(err)
	}
	s.changes.waiting.Add(Rejected{Revision: now, Source: c.source, Actor: c.by.Actor, Reason: c.by.Reason, Err: err})
	if ctx.Err() != nil || now == 0 {
		return
	}
	r := s.recordOf(c, next, changes)
	r.Revision, r.At, r.Outcome, r.Err = now, time.Now(), OutcomeRefused, err.Error()
	_ = s.records.add(ctx, r, false) // what cannot be written waits
}

func (s *Server) recordOf(c change, next Revision, changes []Change) Record {
	r := Record{
		Actor: c.by.Actor, Reason: c.by.Reason, Source: c.source,
		Hash: next.Hash, FileHash: s.fileHash(), Changes: c.wanted,
	}
	if c.read != nil {
		r.FileHash = c.read.hash
	}
	if next.Config != nil {
		r.Text = next.Config.String()
		r.Changes = make([]string, len(changes))
		for i := range changes {
			r.Changes[i] = changes[i].String()
		}
	}
	return r
}

// History lists what was in force and what was refused, newest first: at most limit of
// the records whose Seq is below before; 0 begins with the newest, and means all. What
// waits for a history that is away is not among them.
func (s *Server) History(ctx context.Context, before uint64, limit int) ([]Record, error) {
	return s.records.history.List(ctx, before, limit)
}

// Recorded returns the record of a revision that was in force.
func (s *Server) Recorded(ctx context.Context, revision uint64) (Record, error) {
	return s.records.history.Revision(ctx, revision)
}

// The pauses between attempts to reach the history.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = 5 * time.Second
)

// Serve waits for the history whenever it is away, and writes what waits for it. It
// returns when ctx ends or the server is closed; it is for a supervisor to run, once.
// Without it a history that has been away is not used again.
//
// Where the history could not be read at the start, numbers go on from its last
// revision once it can be: the revision in force gets another number. What was
// changed through the API before is then not put in force by itself, see
// [ServerStatus].
func (s *Server) Serve(ctx context.Context) error {
	select {
	case s.serving <- struct{}{}:
		defer func() { <-s.serving }()
	default:
		return fault.New(fault.Spec{Code: fault.InvalidArgument, Component: component, Message: "the server of the configuration is being served already"})
	}
	ctx, forget := s.open(ctx)
	defer forget()
	for {
		for pause := firstPause; s.records.unreachable() != nil && !s.catchUp(ctx); pause = min(2*pause, longestPause) {
			if !clock.Sleep(ctx, pause) {
				return nil
			}
		}
		select {
		case <-s.records.wake:
		case <-ctx.Done():
			return nil
		}
	}
}

// catchUp writes what waits, and reports whether the history is in use again.
func (s *Server) catchUp(ctx context.Context) bool {
	defer s.changes.deliver()
	last, err := s.records.last(ctx)
	if err == nil && s.records.isUnread() {
		err = s.goOnFrom(ctx, last)
	}
	if err == nil {
		s.records.written(last)
		err = s.records.flush(ctx)
	}
	if err != nil {
		s.records.lose(err, false)
		return false
	}
	release, err := s.take(ctx)
	if err != nil {
		return false
	}
	defer release()
	return s.records.back()
}

// goOnFrom makes the revisions since the start follow the last one of a history that
// could not be read then.
func (s *Server) goOnFrom(ctx context.Context, last Record) error {
	release, err := s.take(ctx)
	if err != nil {
		return err
	}
	defer release()
	if last.Revision > 0 {
		if err := s.renumber(ctx, last); err != nil {
			return err
		}
	}
	pending := s.pendingOf(last)
	s.records.read(last, pending)
	if pending.revision > 0 {
		s.setDrift(pending)
	}
	return nil
}

// renumber puts the configuration in force once more, under a number behind the last.
// REQUIRES: s.turn.
func (s *Server) renumber(ctx context.Context, last Record) error {
	now := s.current.Load().Revision
	t, err := s.options.Applier.Prepare(ctx, now.Config, now.Config, nil)
	if err != nil {
		return err
	}
	now.Number += last.Revision
	t.Commit(now)
	s.put(now)
	s.changes.waiting.Add(Applied{Revision: now.Number, Source: now.Source, Reason: "the history was read: its numbers go on"})
	return nil
}

// pendingOf returns what was changed through the API and would be in force, had the
// history been read at the start. REQUIRES: s.turn.
func (s *Server) pendingOf(last Record) drift {
	file := s.file.Load()
	d := recorded(last)
	now := s.current.Load()
	switch {
	case d.revision == 0 || file == nil || s.drift.revision > 0:
		return drift{}
	case last.FileHash == file.hash && s.records.allOn(file.hash):
		d.pending = true
		return d
	}
	s.changes.waiting.Add(DriftDiscarded{
		Revision: now.Number, Discarded: d.revision, Source: s.options.File, Why: "the file has changed",
	})
	return drift{}
}
