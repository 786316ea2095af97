package eventstore_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/fault"
)

// What Prepare lets through can be written as JSON and read back, and passes again.
func FuzzPrepare(f *testing.F) {
	f.Add("", "a.b", "info", "guard", "r1", "", []byte(`{"a":1}`), int64(0))
	f.Add("01890a5d-ac96-774b-bcce-b302099a8057", "deploy", "error", "\xff", "a\x00b", "x", []byte(`[`), int64(1<<62))
	f.Fuzz(func(t *testing.T, id, kind, severity, component, correlation, parent string, data []byte, at int64) {
		e := eventstore.Event{
			ID: id, Type: kind, Severity: fault.Severity(severity), Component: component, Correlation: correlation, Parent: parent, Data: data, Time: time.Unix(at, 7),
		}
		stored, err := eventstore.Prepare(time.Unix(1, 0), []eventstore.Event{e})
		if err != nil {
			return
		}
		if _, err := json.Marshal(stored); err != nil {
			t.Errorf("%+v: %v", stored[0], err)
		}
		again, err := eventstore.Prepare(time.Unix(2, 0), stored)
		if err != nil || again[0].ID != stored[0].ID || !again[0].Time.Equal(stored[0].Time) || string(again[0].Data) != string(data) {
			t.Errorf("%+v becomes %+v, %v", stored[0], again, err)
		}
	})
}
