package cli

import (
	"testing"

	"github.com/elixirscope/foundation/internal/adminapi"
)

// A breaker whose probes fail has been out since it opened first.
func TestOutFor(t *testing.T) {
	for _, c := range []struct {
		b    adminapi.Breaker
		want float64
	}{
		{adminapi.Breaker{State: "closed", SinceSeconds: 60}, 60},
		{adminapi.Breaker{State: "open", SinceSeconds: 2, Outage: adminapi.Outage{BeganSeconds: 156}}, 156},
		{adminapi.Breaker{State: "half-open", SinceSeconds: 1, Outage: adminapi.Outage{BeganSeconds: 156}}, 156},
		{adminapi.Breaker{State: "open", SinceSeconds: 30, Override: adminapi.Override{State: "forced-open"}, Outage: adminapi.Outage{BeganSeconds: 156}}, 30},
	} {
		if got := outFor(&c.b); got != c.want {
			t.Errorf("%+v: %v, want %v", c.b, got, c.want)
		}
	}
}
