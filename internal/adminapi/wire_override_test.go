package adminapi_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/elixirscope/foundation/internal/adminapi"
)

func TestAnOverrideOfAKeyIsNullNumbersOrAWord(t *testing.T) {
	for want, o := range map[string]*adminapi.KeyOverride{
		`null`:     nil,
		`"exempt"`: {Exempt: true},
		`{"limit":1000,"per_seconds":60,"burst":10}`: {Limit: 1000, PerSeconds: 60, Burst: 10},
		`{"limit":0,"per_seconds":1,"burst":0}`:      {PerSeconds: 1},
	} {
		text, err := json.Marshal(adminapi.Decision{Override: o})
		if err != nil || !strings.Contains(string(text), `"override":`+want+`}`) {
			t.Errorf("%s, %v; want %s", text, err, want)
		}
		var back adminapi.Decision
		if err := json.Unmarshal(text, &back); err != nil || (back.Override == nil) != (o == nil) || o != nil && *back.Override != *o {
			t.Errorf("%s reads %+v, %v", text, back.Override, err)
		}
	}
	if err := json.Unmarshal([]byte(`{"override":"other"}`), new(adminapi.Decision)); err == nil {
		t.Error("another word is read")
	}
}
