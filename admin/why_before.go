package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/adminapi"
)

// What changed before a trouble is looked for so long before its beginning, and, because a
// beginning is known to some seconds only, a moment behind it.
const (
	beforeWindow  = 30 * time.Minute
	beforeSlack   = 2 * time.Second
	shownBefore   = 8
	beforeEvents  = 500
	beforeTimeout = 2 * time.Second
)

// causes are the components whose events may be what a trouble began with.
var causes = []string{"config_server", annotation, "circuit_breaker", "memory_manager", "supervisor", "connection_pool", "health_aggregator"}

// before adds what changed before the trouble began: from the record of events, and where
// nothing is recorded from the history of the configuration.
func (a *api) before(ctx context.Context, f *facts, w *adminapi.Why) {
	since := w.Since
	if since.IsZero() {
		since = f.now
	}
	ctx, cancel := context.WithTimeout(ctx, beforeTimeout)
	defer cancel()
	release, err := a.turns.search(ctx, actorOf(ctx))
	if err != nil {
		w.BeforeNote = "what changed before is not known: " + told(err).Error()
		return
	}
	defer release()
	revisions, err := a.layer.Config().History(ctx, 0, historyAtOnce)
	if err != nil {
		w.BeforeNote = "the history of the configuration cannot be read: " + told(err).Error()
	}
	var events []adminapi.Event
	if feed, err := a.feed(); err != nil {
		w.BeforeNote = "no events are recorded, so that only changes of the configuration are known: add the section storage"
	} else if events, err = causesIn(ctx, feed, since); err != nil {
		w.BeforeNote = "the events cannot be read: " + told(err).Error()
	}
	w.Before = changesBefore(f.status.StartedAt, revisions, aboutOwn(events, f.breakersOf(w.Kind, w.Name)), since, f.now)
	w.Try = append(undoing(w.Before), w.Try...)
}

// breakersOf are the breakers whose transitions may tell what is wrong with a part.
func (f *facts) breakersOf(kind, name string) (names []string) {
	switch kind {
	case "breaker":
		names = append(names, name)
	case "guard":
		names = append(names, partOf(f.status.Guards, name, guardName).Breaker)
	case "route":
		return f.breakersOf("guard", partOf(f.status.Routes, name, routeName).Guard)
	}
	return names
}

// aboutOwn leaves out the transitions of other breakers: they are troubles of their own, and
// one that opens again and again would fill the list.
func aboutOwn(events []adminapi.Event, breakers []string) []adminapi.Event {
	return slices.DeleteFunc(events, func(e adminapi.Event) bool {
		return e.Component == "circuit_breaker" && !slices.Contains(breakers, e.Name)
	})
}

// undoneWithin is how long before a trouble a revision came that it most likely began with.
const undoneWithin = time.Minute

// undoing proposes to undo the revision that a trouble began with.
func undoing(before []adminapi.Before) (list []adminapi.Try) {
	for i := range before {
		b := &before[i]
		number, err := strconv.ParseUint(b.Name, 10, 64)
		if b.What != "revision" || err != nil || number < 2 || b.EarlierSeconds > undoneWithin.Seconds() {
			continue
		}
		return []adminapi.Try{{
			Command: fmt.Sprintf("foundation config rollback %d --reason '…'", number-1),
			Text:    fmt.Sprintf("it began with revision %d%s, which this undoes", number, byText(b.Actor)),
		}}
	}
	return nil
}

func byText(actor string) string {
	if actor == "" {
		return ""
	}
	return " by " + actor
}

// causesIn reads the events that may be causes, the latest first.
func causesIn(ctx context.Context, in eventstore.Store, since time.Time) ([]adminapi.Event, error) {
	page, err := search(ctx, in, eventstore.Query{
		Components: causes, Since: since.Add(-beforeWindow), Until: since.Add(beforeSlack), Order: eventstore.Descending, Limit: beforeEvents,
	})
	events := make([]adminapi.Event, 0, len(page.Events))
	for i := range page.Events {
		events = append(events, eventView(&page.Events[i]))
	}
	if err != nil && len(events) > 0 && errors.Is(err, fault.Canceled) {
		err = nil
	}
	return events, err
}

// changesBefore words what may have been the cause, the latest first. It is a pure function.
func changesBefore(started time.Time, revisions []config.Record, events []adminapi.Event, since, now time.Time) []adminapi.Before {
	list := []adminapi.Before{}
	add := func(b adminapi.Before) {
		byHand := b.Actor != "" || b.What == "annotation" || strings.HasSuffix(b.What, "revision")
		if b.At.Before(since.Add(-beforeWindow)) || b.At.After(since.Add(beforeSlack)) || !byHand && !b.At.Before(since) {
			return // too early; or too late, and of itself only a consequence
		}
		b.AgoSeconds, b.EarlierSeconds = max(0, now.Sub(b.At).Seconds()), max(0, since.Sub(b.At).Seconds())
		list = append(list, b)
	}
	add(adminapi.Before{At: started, What: "start", Text: "the program began to run"})
	for i := range revisions {
		if r := &revisions[i]; r.Revision > 1 || r.Outcome != "applied" { // the first is the start
			add(revisionBefore(r))
		}
	}
	for i := range events {
		if b, is := eventBefore(&events[i]); is {
			add(b)
		}
	}
	slices.SortStableFunc(list, func(x, y adminapi.Before) int { return cmp.Or(y.At.Compare(x.At), cmp.Compare(x.What, y.What)) })
	return list[:min(len(list), shownBefore)]
}

func revisionBefore(r *config.Record) adminapi.Before {
	b := adminapi.Before{At: r.At, What: "revision", Name: strconv.FormatUint(r.Revision, 10), Actor: r.Actor, Command: fmt.Sprintf("foundation config diff %d %d", r.Revision-1, r.Revision)}
	if r.Outcome != "applied" {
		b.What, b.Text, b.Command = "refused revision", r.Err, "foundation config status"
		if _, why, long := strings.Cut(r.Err, fault.InvalidConfig.String()+": "); long {
			b.Text = why
		}
		return b
	}
	b.Text = strings.Join(r.Changes[:min(len(r.Changes), 2)], "; ")
	if n := len(r.Changes) - 2; n > 0 {
		b.Text += fmt.Sprintf("; and %d more", n)
	}
	if r.Reason != "" { // the end of a long text is not seen
		b.Text = fmt.Sprintf("%q: %s", r.Reason, b.Text)
	}
	return b
}

func withReason(text, reason string) string {
	if reason == "" {
		return text
	}
	return strings.TrimSpace(fmt.Sprintf("%s (%q)", text, reason))
}

// eventData is what the events of causes have in common.
type eventData struct {
	From, To, Cause, Actor, Reason, Version, Error, Err, Level, Text string
}

// eventBefore words an event; is is false for one that says nothing about causes. The changes
// of the configuration are known from its history.
func eventBefore(e *adminapi.Event) (b adminapi.Before, is bool) {
	var d eventData
	_ = json.Unmarshal(e.Data, &d) // what is of another form stays empty
	b = adminapi.Before{At: e.Time, Name: e.Name, Actor: d.Actor}
	switch {
	case e.Component == annotation:
		b.What, b.Text = "annotation", annotationText(e)
	case e.Component == "circuit_breaker":
		b.What, b.Text = "transition", "breaker "+e.Name+": "+cmp.Or(d.From, "closed")+" → "+cmp.Or(d.To, "closed")+", "+d.Cause
		if d.Actor != "" {
			b.What, b.Text = "override", withReason(b.Text, d.Reason)
		}
	case e.Type == "memory_manager.pressure_changed":
		b.What, b.Text = "memory", "memory pressure "+d.From+" → "+d.To
	case e.Type == "supervisor.service_failed":
		b.What, b.Text = "service", "service "+e.Name+" has failed: "+cmp.Or(d.Error, d.Err)
	case e.Type == "connection_pool.worker_failed":
		b.What, b.Text = "pool", "pool "+e.Name+": a worker could not be made"
	case e.Type == "health_aggregator.status_changed" && e.Name != "health":
		b.What, b.Text = "health", e.Name+": "+d.From+" → "+d.To
	default:
		return b, false
	}
	return b, true
}

// annotationText words what somebody outside has recorded.
func annotationText(e *adminapi.Event) string {
	fields := map[string]any{}
	_ = json.Unmarshal(e.Data, &fields)
	delete(fields, "actor")
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		parts = append(parts, fmt.Sprintf("%s %v", key, fields[key]))
	}
	text := strings.TrimSpace(e.Type + " " + e.Name)
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	if r := []rune(text); len(r) > 200 {
		text = string(r[:199]) + "…"
	}
	return text
}
