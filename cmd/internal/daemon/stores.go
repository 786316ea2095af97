package daemon

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/redis/go-redis/v9/logging"

	foundation "github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/adapters/postgres/pgstore"
	redisstore "github.com/elixirscope/foundation/adapters/redis"
	"github.com/elixirscope/foundation/adapters/sqlite"
	"github.com/elixirscope/foundation/admin"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/ratelimit/shared"
)

// stores are the kinds of storage that a configuration may name.
func (d *Daemon) stores() map[string]foundation.Store {
	return map[string]foundation.Store{"path": d.openSQLite, "postgres": openPostgres}
}

// openSQLite opens a directory, and remembers what only this kind of storage can do.
func (d *Daemon) openSQLite(ctx context.Context, dir string) (foundation.Storage, error) {
	s, err := sqlite.Open(ctx, dir, sqlite.Options{})
	if err != nil {
		return foundation.Storage{}, err
	}
	// What a kill during a backup has left. The directory is this process's alone by now.
	if err := os.Remove(filepath.Join(dir, backupName)); err != nil && !errors.Is(err, os.ErrNotExist) {
		d.log.Warn("an unfinished backup cannot be removed", slog.String("error", err.Error()))
	}
	d.directory.Store(&directory{s, dir})
	return foundation.Storage{Events: s.Events(), History: s.History(), Close: s.Close}, nil
}

func openPostgres(ctx context.Context, dsn string) (foundation.Storage, error) {
	s, err := pgstore.Open(ctx, dsn, pgstore.Options{})
	if err != nil {
		return foundation.Storage{}, err
	}
	return foundation.Storage{Events: s.Events(), History: s.History(), Close: s.Close}, nil
}

// openShared opens the store of shared counters. It connects to nothing yet.
func openShared(_ context.Context, s config.Shared, namespace string) (foundation.SharedStore, error) {
	logging.Disable() // what the client has to say of a server that is away the layer says once, in the log
	store, err := redisstore.Open(string(s.Redis), redisstore.Options{Namespace: namespace})
	if err != nil {
		return foundation.SharedStore{}, err
	}
	return foundation.SharedStore{Store: store, Close: store.Close}, nil
}

// instance completes what other instances are told of this one.
func (d *Daemon) instance(i *shared.Instance) {
	if _, version, ok := strings.Cut(d.options.Build, " "); ok {
		i.Version = version
	}
	if !d.ready.Load() { // until then there are no listeners, and no verdict
		i.Verdict = "starting"
		return
	}
	i.Address, i.Verdict = d.Address("admin"), d.admin.Verdict()
}

// backupName is the file of a copy that is being made or read.
const backupName = "backup.tmp"

// directory is the storage that was opened in a directory.
type directory struct {
	*sqlite.Storage

	path string
}

// Backup implements [admin.Program]. The copy stands beside the database until it has
// been read, under one name, so that what a kill leaves behind is replaced by the next.
func (d *Daemon) Backup(ctx context.Context) (admin.Copy, error) {
	s := d.directory.Load()
	if s == nil {
		return admin.Copy{}, d.noBackup()
	}
	select {
	case d.backups <- struct{}{}:
	default:
		return admin.Copy{}, refuse(fault.Unavailable, "another backup is being made: try again when it has ended")
	}
	made, err := s.copy(ctx, func() { <-d.backups })
	if err != nil {
		<-d.backups
	}
	return made, err
}

// noBackup says why there is nothing to copy.
func (d *Daemon) noBackup() error {
	switch d.layer.Status().Storage.Kind {
	case "path":
		return refuse(fault.Unavailable, "the storage is away: 'foundation status' says why")
	case "memory":
		return refuse(fault.NotFound, "events are kept in memory alone: set storage.path and restart to keep them on disk")
	}
	return refuse(fault.NotFound, "the storage is a server of its own: copy it with its own tools, as pg_dump")
}

func (s *directory) copy(ctx context.Context, done func()) (admin.Copy, error) {
	name := filepath.Join(s.path, backupName)
	if err := s.Storage.Backup(ctx, name); err != nil {
		return admin.Copy{}, err
	}
	file, err := os.Open(name)
	if err != nil {
		return admin.Copy{}, errors.Join(err, os.Remove(name))
	}
	info, err := file.Stat()
	if err != nil {
		return admin.Copy{}, errors.Join(err, file.Close(), os.Remove(name))
	}
	return admin.Copy{ReadCloser: &passing{file, name, done}, Bytes: info.Size(), Name: "foundation.db"}, nil
}

// passing is a file that is removed when it has been read.
type passing struct {
	io.ReadCloser

	name string
	done func()
}

// Close implements [io.Closer].
func (p *passing) Close() error {
	defer p.done()
	return errors.Join(p.ReadCloser.Close(), os.Remove(p.name))
}

func refuse(code fault.Code, message string) error {
	return fault.New(fault.Spec{Code: code, Component: "foundation", Name: "storage", Message: message})
}

// node names this machine in events; empty where it has no name.
func node() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}
