package config

import (
	"cmp"
	"context"
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
}

// Status returns the state of the file.
func (s *Server) Status() ServerStatus {
	r, file := s.reload.Load(), s.file.Load()
	return ServerStatus{
		Drifted:    file != nil && !s.current.Load().Config.equal(file),
		LastReload: r.at, LastReloadError: r.err, LastReloadSuccess: r.success,
	}
}

// Reload reads the configuration file again and applies it. On any fault the
// configuration in force stays, and a later Reload works as if nothing had been. A
// file that sets what it set before changes nothing, in particular not what was
// changed through [Server.Apply] and [Server.Edit] since. The file is read before
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
		read, unread = s.file.Load(), s.reload.Load().err
	}
	applied, err := s.apply(ctx, by, s.options.File, func(now *Config) (*Config, error) {
		if unread == nil && s.file.Load().equal(read) {
			return now, nil
		}
		return read, unread
	})
	s.taken = max(s.taken, reading)
	s.record(read, err)
	return applied, err
}

// record keeps how a reload ended. REQUIRES: s.turn.
func (s *Server) record(read *Config, err error) {
	now := time.Now()
	result := &reloadResult{at: now, err: err, success: now}
	if err != nil {
		result.success = s.reload.Load().success
	} else {
		s.file.Store(read)
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
