package logs

import (
	"io"
	"log/slog"
)

// JSON writes lines as JSON in the form of everything that the daemon shows: a duration is a
// number of seconds, and its name says so.
func JSON(w io.Writer, level slog.Leveler) slog.Handler {
	return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Value.Kind() != slog.KindDuration {
			return a
		}
		return slog.Float64(a.Key+"_seconds", a.Value.Duration().Seconds())
	}})
}
