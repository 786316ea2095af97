package config

import (
	"cmp"
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/elixirscope/foundation/fault"
)

// reloadResult is how the last reading of the file ended.
type reloadResult struct {
	at      time.Time
	err     error
	success time.Time // of the last one that succeeded
}

// ServerStatus is what a [Server] knows of its file.
type ServerStatus struct {
	// Drifted tells that what is in force is not what the file said when it was last
	// taken over, whoever put it in force. It is false without a file.
	Drifted bool
	// LastReload is when the file was last read, also at the start, and
	// LastReloadError what was wrong with it, or nil.
	LastReload      time.Time
	LastReloadError error
	// LastReloadSuccess is when it was last read with success.
	LastReloadSuccess time.Time
	// Pending is a revision that was made through the API and would be in force, had the
	// history been read at the start; 0 if there is none. [Server.Rollback] puts it in
	// force, and so does the next start; any change through the API or of the file gives
	// it up.
	Pending uint64
	// Attention says what an operator should see to, "" if there is nothing.
	Attention string
}

// Status returns the state of the file and of the history.
func (s *Server) Status() ServerStatus {
	r, file, now := s.reload.Load(), s.file.Load(), s.current.Load()
	return ServerStatus{
		Drifted:    file != nil && (now.Hash != file.hash || !now.Config.equal(file.Config)),
		LastReload: r.at, LastReloadError: r.err, LastReloadSuccess: r.success,
		Pending: s.pending.Load(), Attention: s.records.attention(),
	}
}

// Reload reads the configuration file again and applies it. On any fault the
// configuration in force stays, and a later Reload works as if nothing had been. A
// file whose document is what it was before, comments and spelling aside, changes
// nothing but what its variables hold, in particular not what was changed by others
// since, unless by.DiscardDrift is set. The file is read before
// the change has its turn, so that one that hangs keeps no other change waiting; of
// several readings at once the one that began last counts.
func (s *Server) Reload(ctx context.Context, by By) (Applied, error) {
	if s.options.File == "" {
		return Applied{Revision: s.current.Load().Number}, errNoFile()
	}
	defer s.changes.deliver()
	ctx, forget := s.open(ctx)
	defer forget()
	reading := s.readings.Add(1)
	read, unread := s.Read(ctx)
	if ctx.Err() != nil {
		return Applied{Revision: s.current.Load().Number}, gaveUp(ctx)
	}
	release, err := s.take(ctx)
	if err != nil {
		return Applied{Revision: s.current.Load().Number}, err
	}
	defer release()
	if reading < s.taken { // another has read since, and may know better
		read, unread = s.file.Load().Config, s.reload.Load().err
	}
	before := s.current.Load().Number
	applied, err := s.takeOver(ctx, by, read, unread)
	if err == nil && applied.Revision == before {
		s.log.Info("configuration read again, nothing differs", slog.Uint64("revision", before), slog.String("source", s.options.File),
			slog.String("actor", by.Actor), slog.String("reason", by.Reason))
	}
	s.taken = max(s.taken, reading)
	s.record(err)
	return applied, err
}

// takeOver applies what was read of the file. REQUIRES: s.turn.
func (s *Server) takeOver(ctx context.Context, by By, read *Config, unread error) (Applied, error) {
	by.API = false // the file decides, whoever has it read
	c := change{by: by, source: s.options.File, next: func(*Config) (*Config, error) { return read, unread }}
	if unread != nil {
		return s.apply(ctx, c)
	}
	before, file, now, drift := s.file.Load(), newFileDocument(read), s.current.Load(), s.drift
	switch {
	case file.hash != before.hash:
		c.file, c.even, c.why = true, true, "the file has changed"
	case by.DiscardDrift:
		c.file, c.even, c.why = true, drift.revision > 0, "it was discarded on purpose"
	default:
		c.drift = &drift
		if now.Hash != file.hash {
			c.next = func(now *Config) (*Config, error) { return s.refreshed(ctx, now, read) }
		}
	}
	c.read = file
	applied, err := s.apply(ctx, c)
	if err == nil {
		s.file.Store(file)
	}
	return applied, err
}

// record keeps how a reload ended. REQUIRES: s.turn.
func (s *Server) record(err error) {
	now := time.Now()
	result := &reloadResult{at: now, err: err, success: now}
	if err != nil {
		result.success = s.reload.Load().success
	}
	s.reload.Store(result)
}

// source is where c was read from, [sourceInCode] for one that was made in Go.
func (c *Config) source() string {
	if c != nil && c.origin != nil && c.origin.file != "" {
		return c.origin.file
	}
	return sourceInCode
}

// needsRestart refuses what cannot change while the process runs, by its name.
// Taking over the rest would leave a process that no configuration describes.
func needsRestart(changes []Change) error {
	var problems fault.Problems
	for _, c := range changes {
		for _, f := range c.fixed {
			problems.Add(strings.TrimSuffix(c.Section+"."+f.Field, "."), f.New,
				"was %s at the start and cannot change while the process runs: restart it", cmp.Or(f.Old, "not set"))
		}
	}
	return problems.Err(component, "")
}
