package admin

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/adminapi"
)

// mostBands bounds the transitions of one answer: a breaker that opens and closes every second
// has fewer within an hour.
const mostBands = 10_000

// getBreakerStates tells in which state a breaker was when, from its recorded transitions: what
// samples would miss lies between two of them.
func (a *api) getBreakerStates(r *http.Request) (any, error) {
	p, err := newQueryReader(r, []string{"from", "to", "member"})
	if err != nil {
		return nil, err
	}
	from, to, member := p.moment("from"), p.moment("to"), p.values.Get("member")
	if to.IsZero() {
		to = p.now
	}
	if from.IsZero() {
		from = to.Add(-time.Hour)
	}
	p.problems.Require(to.After(from), "to", to.Format(time.RFC3339), "must be after from, %s", from.Format(time.RFC3339))
	if err := p.err(); err != nil {
		return nil, err
	}
	v := adminapi.BreakerStates{APIVersion: adminapi.Version, Name: r.PathValue("name"), Member: member, From: from, To: to}
	b, err := a.breaker(r)
	if err != nil {
		return nil, err
	}
	status := b.Status()
	v.Bands, v.Note, err = a.bands(r, &v, &status)
	return v, err
}

func (a *api) bands(r *http.Request, v *adminapi.BreakerStates, now *breaker.Status) ([]adminapi.StateBand, string, error) {
	feed, err := a.feed()
	if err != nil {
		return bandsOf(nil, now, v.From, v.To), "no events are recorded, so that only the present state is known: add the section storage", nil
	}
	release, err := a.turns.search(r.Context(), actorOf(r.Context()))
	if err != nil {
		return nil, "", err
	}
	defer release()
	page, err := search(r.Context(), feed, eventstore.Query{
		Type: "circuit_breaker.state_change", Name: v.Name, Since: v.From, Order: eventstore.Descending, Limit: mostBands,
	})
	if err != nil && (len(page.Events) == 0 || !errors.Is(err, fault.CallTimeout)) {
		return nil, "", err
	}
	note := ""
	list, from := transitions(page.Events, v.Member), v.From
	if started := a.options.Program.Started; from.Before(started) && (len(list) == 0 || !list[0].at.Before(started)) {
		from, note = started, "the program began to run at "+clockText(started)+": there was no such breaker before"
	}
	if page.More {
		note = "there are more transitions than are shown, which are the latest"
	}
	return bandsOf(list, now, from, v.To), note, nil
}

// transition is an event of a breaker, as it is recorded: what is zero is left out.
type transition struct {
	From, To      string
	Member        string
	Cause, Reason string
	Actor         string
	Forced        bool
	at            time.Time
	seq           uint64
}

// transitions reads those of one breaker, the oldest first.
func transitions(events []eventstore.Event, member string) (list []transition) {
	for i := range events {
		t := transition{at: events[i].Time, seq: events[i].Seq}
		if json.Unmarshal(events[i].Data, &t) == nil && t.Member == member {
			t.From, t.To = cmp.Or(t.From, breaker.StateClosed.String()), cmp.Or(t.To, breaker.StateClosed.String())
			list = append(list, t)
		}
	}
	slices.SortFunc(list, func(x, y transition) int { return cmp.Compare(x.seq, y.seq) }) // two may be of one moment
	return list
}

// bandsOf makes the bands of a span of transitions, which reach until now, and of the present
// state. It is a pure function.
func bandsOf(list []transition, now *breaker.Status, from, to time.Time) []adminapi.StateBand {
	bands := []adminapi.StateBand{}
	put := func(b adminapi.StateBand) {
		b.From, b.To = latestOf(b.From, from), earliestOf(b.To, to)
		if b.From.Before(b.To) {
			bands = append(bands, b)
		}
	}
	last := adminapi.StateBand{State: now.State.String(), Forced: now.Override != nil, From: now.Since}
	if len(list) > 0 {
		last = adminapi.StateBand{State: list[0].From, From: from}
	} else if now.Since.IsZero() {
		last.From = from
	}
	for _, t := range list {
		last.To = t.at
		put(last)
		last = adminapi.StateBand{State: t.To, Forced: t.Forced, From: t.at, Reason: cmp.Or(t.Reason, t.Cause), Actor: t.Actor, Seq: t.seq}
	}
	last.To = to
	put(last)
	return bands
}

func latestOf(x, y time.Time) time.Time {
	if x.After(y) {
		return x
	}
	return y
}

func earliestOf(x, y time.Time) time.Time {
	if x.Before(y) {
		return x
	}
	return y
}
