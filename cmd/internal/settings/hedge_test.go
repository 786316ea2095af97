package settings_test

import (
	"errors"
	"testing"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
)

func TestHedge_OfWhatIsNeverIdempotent(t *testing.T) {
	for name, tc := range map[string]struct {
		routes string
		refuse string
		warn   string
	}{
		"any method":        {routes: `{ match: /a, upstream: "http://a", guard: g }`},
		"GET":               {routes: `{ match: GET /a, upstream: "http://a", guard: g }`},
		"one of two is":     {routes: `{ match: POST /a, upstream: "http://a", guard: g }, { match: HEAD /a, upstream: "http://a", guard: g }`},
		"none is":           {routes: `{ match: POST /a, upstream: "http://a", guard: g }, { match: PUT /a, upstream: "http://a", guard: g }`, refuse: `only GET and HEAD requests are hedged, and its routes take none: "POST /a", "PUT /a"`},
		"no route names it": {routes: `{ match: /a, upstream: "http://a" }`, warn: "no route names the guard, so that nothing is hedged"},
	} {
		c, err := config.Parse("f.yaml", []byte("version: 1\nguards: { g: { hedge: {} } }\ngateway: { routes: [ "+tc.routes+" ] }"), options)
		refused := ""
		if f, ok := errors.AsType[*fault.Error](err); ok && len(f.Problems()) == 1 && f.Problems()[0].Field == "guards.g.hedge" {
			refused = f.Problems()[0].Message
		}
		if refused != tc.refuse || (err == nil) != (tc.refuse == "") {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			continue
		}
		warned := ""
		for _, w := range warnings(t, c) {
			if w.Field == "guards.g.hedge" {
				warned = w.Message
			}
		}
		if warned != tc.warn {
			t.Errorf("%s: warned %q", name, warned)
		}
	}
}
