package config

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/elixirscope/foundation/internal/ordered"
	"github.com/elixirscope/foundation/telemetry"
)

// announcer logs and delivers the events of changes in the order of the revisions,
// outside every lock: a handler may change the configuration itself, and its change is
// announced after the one that it handles.
type announcer struct {
	log        *slog.Logger
	applied    telemetry.Topic[Applied]
	rejected   telemetry.Topic[Rejected]
	rolledBack telemetry.Topic[RolledBack]
	discarded  telemetry.Topic[DriftDiscarded]
	said       string // the last refusal that was logged, until a change is made; one delivery at a time
	follow     func() // what the owner of the server does after a change; nil for nothing
	waiting    ordered.Queue[telemetry.Event]
}

func (a *announcer) init(bus *telemetry.Bus, log *slog.Logger) {
	a.log = log
	a.applied, a.rejected = telemetry.TopicOf[Applied](bus), telemetry.TopicOf[Rejected](bus)
	a.rolledBack, a.discarded = telemetry.TopicOf[RolledBack](bus), telemetry.TopicOf[DriftDiscarded](bus)
}

func (a *announcer) deliver() { a.waiting.Deliver(a.announce) }

func (a *announcer) announce(e telemetry.Event, missed uint64) {
	if missed > 0 {
		a.log.Warn("changes of the configuration were not announced: a handler holds up the delivery", slog.Uint64("missed", missed))
	}
	// Handlers of a change that was made must run even if its caller gave up since.
	ctx := context.Background()
	switch e := e.(type) {
	case Applied:
		a.said = ""
		a.log.Info("configuration applied", slog.Uint64("revision", e.Revision), slog.String("source", e.Source), slog.String("actor", e.Actor),
			slog.String("reason", e.Reason), slog.Int("changes", len(e.Changes)), slog.String("changed", summary(e.Changes)))
		for _, w := range e.Warnings {
			a.log.Warn("the configuration is legal and very likely not meant", slog.String("warning", w.String()))
		}
		if a.follow != nil {
			a.follow()
		}
		a.applied.Emit(ctx, e)
	case Rejected:
		a.logRefused(e)
		a.rejected.Emit(ctx, e)
	case RolledBack:
		a.log.Info("configuration rolled back",
			slog.Uint64("revision", e.Revision), slog.Uint64("to", e.To), slog.String("actor", e.Actor), slog.String("reason", e.Reason))
		a.rolledBack.Emit(ctx, e)
	case DriftDiscarded:
		a.log.Warn("what was changed through the API is given up",
			slog.Uint64("revision", e.Revision), slog.Uint64("discarded", e.Discarded), slog.String("why", e.Why))
		a.discarded.Emit(ctx, e)
	}
}

// logRefused logs a refusal, unless it is the one that was logged last: a file that stays
// faulty is read again and again.
func (a *announcer) logRefused(e Rejected) {
	text := bounded(strings.ReplaceAll(e.Err.Error(), "\n\t", "; "), maxLogged)
	if key := e.Source + "\n" + e.Actor + "\n" + text; key != a.said {
		a.said = key
		a.log.Warn("configuration refused, the old one stays in force", slog.Uint64("revision", e.Revision), slog.String("source", e.Source),
			slog.String("actor", e.Actor), slog.String("reason", e.Reason), slog.String("error", text))
	}
}

// What a line of the log may hold of one change of the configuration.
const (
	maxLogged        = 2 << 10 // bytes
	maxLoggedChanges = 10
)

// summary says on one line what changed, without what happens to state.
func summary(changes []Change) string {
	var parts []string
	for i := range changes[:min(len(changes), maxLoggedChanges)] {
		c := changes[i]
		c.Effect = ""
		parts = append(parts, bounded(c.String(), maxLogged/maxLoggedChanges))
	}
	if more := len(changes) - maxLoggedChanges; more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(parts, "; ")
}

// bounded cuts a text to about so many bytes.
func bounded(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
