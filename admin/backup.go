package admin

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/elixirscope/foundation/fault"
)

var errTooSlow = errors.New("the client reads too slowly, and others wait")

// backup answers with a copy of the storage. It is made whole before the first byte is
// sent, so that a fault is an answer and not half a file.
func (a *api) backup(w http.ResponseWriter, r *http.Request) {
	if a.options.Program.Backup == nil {
		writeError(w, refuse(fault.Unavailable, "this program makes no backups of what it records"))
		return
	}
	made, err := a.options.Program.Backup(r.Context())
	if err != nil {
		writeError(w, err)
		return
	}
	defer func() { _ = made.Close() }() // it was only read
	a.log(r, "backup", "storage", "", slog.Int64("bytes", made.Bytes))
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", "attachment; filename="+strconv.Quote(made.Name))
	w.Header().Set("Content-Length", strconv.FormatInt(made.Bytes, 10))
	w.Header().Set("Cache-Control", "no-store")
	if err := sendSlowly(w, made, made.Bytes); err != nil {
		a.options.Log.Warn("a backup was not sent to its end", slog.String("error", err.Error()))
	}
}

// A client must read a copy at this pace on the whole, in bytes a second, or within
// backupLeast: as long as it reads nobody else can make a backup.
const (
	backupPace  = 1 << 20
	backupLeast = 2 * time.Minute
)

// sendSlowly copies to a client that may take its time, as long as it goes on reading and
// comes to an end.
func sendSlowly(w http.ResponseWriter, from io.Reader, bytes int64) error {
	control := http.NewResponseController(w)
	end := time.Now().Add(max(backupLeast, time.Duration(bytes/backupPace)*time.Second))
	for {
		now := time.Now()
		if now.After(end) {
			return errTooSlow
		}
		deadline := now.Add(streamPatience)
		if deadline.After(end) {
			deadline = end
		}
		if err := control.SetWriteDeadline(deadline); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		switch _, err := io.CopyN(w, from, 1<<20); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}
