package eventstore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/telemetry"
)

// component is the name under which faults of a store are reported.
const component = "event_store"

// Prepare is how a [Store] begins Append. It returns copies of the events with ID,
// Time and Severity filled in, times in UTC to the microsecond and ids in lower case,
// which share nothing with those given; or one invalid_argument fault that names
// every fault of every event. Whether an ID is stored already, and Seq, remain for
// the store.
func Prepare(now time.Time, events []Event) ([]Event, error) {
	var ps fault.Problems
	ps.Require(len(events) <= MaxBatch, "events", len(events), "must be at most %d in one batch", MaxBatch)
	if len(ps) == 0 {
		checkBatch(&ps, events)
	}
	if err := invalid(ps, "the batch is invalid; none of it was stored"); err != nil {
		return nil, err
	}
	out := make([]Event, len(events))
	for i := range events {
		out[i] = filled(&events[i], now)
	}
	return out, nil
}

func filled(e *Event, now time.Time) Event {
	out := *e
	out.Seq = 0
	if out.ID == "" {
		out.ID = NewID()
	}
	if out.Time.IsZero() {
		out.Time = now
	}
	if out.Severity == "" {
		out.Severity = fault.SeverityInfo
	}
	out.ID, out.Parent = strings.ToLower(out.ID), strings.ToLower(out.Parent)
	out.Time = out.Time.UTC().Truncate(time.Microsecond)
	out.Data = bytes.Clone(e.Data)
	return out
}

func checkBatch(ps *fault.Problems, events []Event) {
	var places map[string]int // of ids; events seldom have one
	for i := range events {
		id := strings.ToLower(events[i].ID)
		if id == "" {
			continue
		}
		if places == nil {
			places = make(map[string]int, len(events))
		}
		if first, taken := places[id]; taken {
			ps.Add(field(i, "id"), quote(id), "is the id of events[%d] too", first)
			continue
		}
		places[id] = i
	}
	for i := range events {
		var own fault.Problems
		checkEvent(&own, &events[i])
		for _, p := range own {
			p.Field = field(i, p.Field) // rendered for faults only: Append is often called
			*ps = append(*ps, p)
		}
		if at, ok := places[strings.ToLower(events[i].Parent)]; ok && at >= i {
			ps.Add(field(i, "parent"), quote(events[i].Parent), "must stand before the events that it caused, and is events[%d]", at)
		}
	}
}

func checkEvent(ps *fault.Problems, e *Event) {
	if e.ID != "" {
		checkID(ps, "id", e.ID)
	}
	if e.Parent != "" {
		checkID(ps, "parent", e.Parent)
	}
	switch at := invalidType(e.Type); {
	case e.Type == "":
		ps.Add("type", "", "must not be empty")
	case at >= 0:
		ps.Add("type", quote(e.Type), "invalid at byte %d: a type has 1 to %d letters, digits and _ . : / -", at, MaxText)
	case strings.HasPrefix(e.Type, telemetry.Prefix):
		ps.Add("type", quote(e.Type), "must not begin with %q", telemetry.Prefix)
	}
	checkTime(ps, "time", e.Time)
	checkSeverity(ps, e.Severity)
	checkText(ps, "component", e.Component)
	checkText(ps, "name", e.Name)
	checkText(ps, "node", e.Node)
	checkText(ps, "correlation", e.Correlation)
	checkData(ps, "data", e.Data)
}

func checkSeverity(ps *fault.Problems, s fault.Severity) {
	if s != "" && s.Rank() < 0 {
		ps.Add("severity", quote(string(s)), "must be info, warning or error")
	}
}

func checkData(ps *fault.Problems, field string, data []byte) {
	switch {
	case len(data) == 0:
	case len(data) > MaxData:
		ps.Add(field, fmt.Sprintf("of %d bytes", len(data)), "must be at most %d bytes", MaxData)
	case !utf8.Valid(data):
		ps.Add(field, quote(string(data[:min(len(data), quoted)])), "must be UTF-8")
	default:
		if at, ok := invalidJSON(data); !ok {
			ps.Add(field, quote(string(data[:min(len(data), quoted)])), "invalid JSON at byte %d", at)
		}
	}
}

// invalidJSON returns the place of the fault. json.Valid does not tell, and decoding
// is slower, so it is done only for what is invalid.
func invalidJSON(data []byte) (at int64, ok bool) {
	if json.Valid(data) {
		return 0, true
	}
	var raw json.RawMessage
	if syntax, is := asSyntax(json.Unmarshal(data, &raw)); is {
		return syntax.Offset, false
	}
	return int64(len(data)), false
}

func checkID(ps *fault.Problems, field, id string) {
	// uuid.Parse takes four spellings of different lengths; one is enough.
	if _, err := uuid.Parse(id); err != nil || len(id) != 36 {
		ps.Add(field, quote(id), "must be a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057")
	}
}

func sameID(a, b string) bool { return strings.EqualFold(a, b) }

func checkText(ps *fault.Problems, field, s string) {
	switch {
	case len(s) > MaxText:
		ps.Add(field, quote(s), "has %d bytes, must have at most %d", len(s), MaxText)
	case !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0:
		ps.Add(field, quote(s), "must be UTF-8 without a zero byte")
	}
}

// The range of times is what people can write and every database can keep.
func checkTime(ps *fault.Problems, field string, t time.Time) {
	if year := t.UTC().Year(); !t.IsZero() && (year < 1 || year > 9999) {
		ps.Add(field, fmt.Sprintf("in the year %d", year), "must be in the years 1 to 9999, in UTC")
	}
}

func field(i int, name string) string { return fmt.Sprintf("events[%d].%s", i, name) }

const quoted = 40 // bytes of a refused text that its fault shows

func quote(s string) string { return fmt.Sprintf("%.*q", quoted, s) }
