package admin

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/adminapi"
	"github.com/elixirscope/foundation/registry"
)

// annotation is the component of events that were sent to the API, so that nobody takes
// one for what a part of the layer has told.
const annotation = "annotation"

// feed finds the record of events.
func (a *api) feed() (*eventstore.Feed, error) {
	feed, err := registry.Lookup[*eventstore.Feed](a.layer.Registry(), "foundation", "events")
	if err != nil {
		return nil, refuse(fault.NotFound, `no events are recorded: add the section "storage" to the configuration, as in storage: { path: ./foundation-data }, and restart`)
	}
	return feed, nil
}

func (a *api) listEvents(r *http.Request) (any, error) {
	q, err := readQuery(r, pageParameters)
	if err != nil {
		return nil, err
	}
	feed, err := a.feed()
	if err != nil {
		return nil, err
	}
	release, err := a.turns.search(r.Context(), actorOf(r.Context()))
	if err != nil {
		return nil, err
	}
	defer release()
	page, err := search(r.Context(), feed, q)
	if err != nil {
		return nil, err
	}
	answer := adminapi.Events{APIVersion: adminapi.Version, Items: make([]adminapi.Event, 0, len(page.Events)), Next: page.Next, More: page.More}
	for i := range page.Events {
		answer.Items = append(answer.Items, eventView(&page.Events[i]))
	}
	return answer, nil
}

// searchTimeout bounds a search: a rare type may be looked for in every event that there
// is.
const searchTimeout = 10 * time.Second

// search reads stretch after stretch until the page is full or its time is over. What it
// has found by then is the answer, with the cursor that continues.
func search(ctx context.Context, in eventstore.Store, q eventstore.Query) (eventstore.Page, error) {
	limited, cancel := context.WithTimeout(ctx, searchTimeout)
	defer cancel()
	page, size := eventstore.Page{Next: q.After}, 0
	most := q.PageSize()
	for {
		q.After, q.Limit = page.Next, most-len(page.Events)
		part, err := in.Find(limited, q)
		switch over := err != nil && limited.Err() != nil && ctx.Err() == nil; {
		case over && page.More:
			return page, nil
		case over:
			return page, refuse(fault.CallTimeout, "the search of the events was ended after "+searchTimeout.String()+": narrow it with since and until")
		case err != nil:
			return page, err
		}
		for i := range part.Events {
			if size += part.Events[i].Size(); len(page.Events) > 0 && size > eventstore.MaxPageBytes {
				page.More = true
				return page, nil
			}
			page.Events, page.Next = append(page.Events, part.Events[i]), part.Events[i].Seq
		}
		page.Next, page.More = part.Next, part.More
		if !page.More || len(page.Events) == most {
			return page, nil
		}
	}
}

func eventView(e *eventstore.Event) adminapi.Event {
	return adminapi.Event{
		ID: e.ID, Seq: e.Seq, Type: e.Type, Time: e.Time, Severity: string(e.Severity), Component: e.Component, Name: e.Name,
		Node: e.Node, Correlation: e.Correlation, Parent: e.Parent, Data: e.Data,
	}
}

// annotate stores what somebody outside wants to be read beside the layer's own events.
func (a *api) annotate(r *http.Request) (any, error) {
	var request adminapi.EventRequest
	if err := read(r, &request); err != nil {
		return nil, err
	}
	data, err := withActor(request.Data, actorOf(r.Context()))
	if err != nil {
		return nil, err
	}
	feed, err := a.feed()
	if err != nil {
		return nil, err
	}
	if err := a.turns.annotate(actorOf(r.Context())); err != nil {
		return nil, err
	}
	stored, err := feed.Append(r.Context(), eventstore.Event{
		ID: request.ID, Type: request.Type, Time: request.Time, Severity: fault.Severity(request.Severity), Component: annotation,
		Name: request.Name, Correlation: request.Correlation, Parent: request.Parent, Data: data,
	})
	if err != nil {
		return nil, ofOne(err)
	}
	a.log(r, "annotate", "event", request.Name, slog.String("type", request.Type))
	return eventView(&stored[0]), nil
}

// withActor adds who sent the event to its data.
func withActor(data json.RawMessage, actor string) (json.RawMessage, error) {
	fields := map[string]json.RawMessage{}
	if len(data) > 0 && string(data) != "null" {
		if err := json.Unmarshal(data, &fields); err != nil {
			return nil, refuse(fault.InvalidArgument, "data must be an object, as in {\"version\": \"1.2.3\"}")
		}
	}
	if _, given := fields["actor"]; given {
		return nil, refuse(fault.InvalidArgument, "data must not name an actor: it is the one that the request proves")
	}
	name, err := json.Marshal(actor)
	if err != nil {
		return nil, err
	}
	fields["actor"] = name
	return json.Marshal(fields)
}

// ofOne words a fault of a batch as that of the one event that it held.
func ofOne(err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || len(f.Problems()) == 0 {
		return err
	}
	problems := f.Problems()
	for i := range problems {
		problems[i].Field = strings.TrimPrefix(problems[i].Field, "events[0].")
	}
	return fault.New(fault.Spec{Code: f.Code(), Component: f.Component(), Name: f.Name(), Message: "the event was not stored", Problems: problems})
}
