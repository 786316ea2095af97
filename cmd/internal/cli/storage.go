package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/elixirscope/foundation/adapters/sqlite"
	"github.com/elixirscope/foundation/internal/adminapi"
)

func (a *app) storageCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "storage", Short: "Check the storage, or copy it", GroupID: groupAct,
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.storageCheckCommand())
	cmd.AddCommand(a.speaks(a.storageBackupCommand())...)
	return cmd
}

func (a *app) storageCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use: "check PATH", Short: "Check a storage directory, or a backup, without a daemon", Args: takes("PATH"),
		Long: "Read a whole storage directory that no daemon uses, or a file that 'storage backup' wrote,\n" +
			"and say what it holds. Nothing in it is changed. The exit code is 1 if it is damaged.",
		RunE: a.run(func(ctx context.Context, args []string) error {
			r, err := sqlite.Check(ctx, args[0])
			if err != nil {
				return failed(err)
			}
			return a.printCheck(&r)
		}),
	}
}

// StorageCheck is the answer of storage check.
type StorageCheck struct {
	APIVersion string    `json:"api_version"`
	Path       string    `json:"path"`
	Intact     bool      `json:"intact"`
	Version    int       `json:"version"`
	Newest     int       `json:"newest_version"`
	Bytes      int64     `json:"bytes"`
	LogBytes   int64     `json:"log_bytes"`
	Events     int       `json:"events"`
	OldestSeq  uint64    `json:"oldest_seq"`
	OldestTime time.Time `json:"oldest_time"`
	NewestSeq  uint64    `json:"newest_seq"`
	NewestTime time.Time `json:"newest_time"`
}

func (a *app) printCheck(r *sqlite.Report) error {
	c := StorageCheck{
		APIVersion: adminapi.Version, Path: r.Path, Intact: true, Version: r.Version, Newest: r.Newest, Bytes: r.Bytes, LogBytes: r.LogBytes,
		Events: r.Events, OldestSeq: r.OldestSeq, OldestTime: r.OldestTime, NewestSeq: r.NewestSeq, NewestTime: r.NewestTime,
	}
	return a.print(c, func() error {
		a.say("%s is intact", r.Path)
		version := strconv.Itoa(r.Version)
		if r.Version < r.Newest {
			version += fmt.Sprintf(" (is migrated to %d when it is opened)", r.Newest)
		}
		a.say("schema   version %s", version)
		size := byteText(r.Bytes)
		if r.LogBytes > 0 {
			size += " and " + byteText(r.LogBytes) + " in the log"
		}
		a.say("size     %s", size)
		a.say("events   %d", r.Events)
		if r.Events > 0 {
			a.say("oldest   %s (seq %d)", stamp(r.OldestTime), r.OldestSeq)
			a.say("newest   %s (seq %d)", stamp(r.NewestTime), r.NewestSeq)
		}
		return nil
	})
}

func byteText(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	f, i := float64(n), -1
	for ; f >= unit && i < 3; i++ {
		f /= unit
	}
	return fmt.Sprintf("%.1f %ciB", f, "KMGT"[i])
}

func (a *app) storageBackupCommand() *cobra.Command {
	return &cobra.Command{
		Use: "backup FILE", Short: "Copy the storage of the running daemon into a file", Args: takes("FILE"),
		Long: "Copy the storage directory of the running daemon, at one moment and while it goes on,\n" +
			"into a file that only you can read. A file that is there is replaced once the copy is\n" +
			"whole. To use it, put it as foundation.db into an empty directory.",
		RunE: a.run(func(ctx context.Context, args []string) error { return a.backUp(ctx, args[0]) }),
	}
}

// BackedUp is the answer of storage backup.
type BackedUp struct {
	APIVersion string `json:"api_version"`
	File       string `json:"file"`
	Bytes      int64  `json:"bytes"`
}

func (a *app) backUp(ctx context.Context, file string) (err error) {
	client, err := a.client()
	if err != nil {
		return err
	}
	out, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*") // 0600
	if err != nil {
		return failed(fmt.Errorf("write the backup: %w", err))
	}
	defer func() {
		if err != nil { // the error says what went wrong; these only clear up
			_ = out.Close()
			_ = os.Remove(out.Name())
		}
	}()
	progress := &progress{app: a}
	defer progress.end()
	n, err := client.Download(ctx, "/v1/storage/backup", io.MultiWriter(out, progress), func(total int64) { progress.total = total })
	if err != nil {
		return a.explain(err)
	}
	if err = errors.Join(out.Sync(), out.Close()); err == nil {
		err = os.Rename(out.Name(), file)
	}
	if err != nil {
		return failed(fmt.Errorf("write the backup: %w", err))
	}
	progress.end()
	return a.print(BackedUp{APIVersion: adminapi.Version, File: file, Bytes: n}, func() error {
		a.say("%s: %s; '%s storage check %s' checks it", file, byteText(n), a.env.Program, file)
		return nil
	})
}

// progress shows on a terminal how much was written.
type progress struct {
	app         *app
	done, total int64
	shown       time.Time
	began       bool
}

// Write implements [io.Writer].
func (p *progress) Write(b []byte) (int, error) {
	p.done += int64(len(b))
	if p.app.env.Terminal && time.Since(p.shown) >= 100*time.Millisecond {
		p.shown, p.began = time.Now(), true
		fmt.Fprintf(p.app.env.Stderr, "\r%s of %s (%d %%) ", byteText(p.done), byteText(p.total), p.done*100/max(p.total, 1))
	}
	return len(b), nil
}

// end removes the line.
func (p *progress) end() {
	if p.began {
		p.began = false
		fmt.Fprint(p.app.env.Stderr, "\r\x1b[K")
	}
}
