package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"testing"

	"github.com/elixirscope/foundation/cmd/internal/settings"
)

// resolving is a DNS during whose answer something happens.
type resolving func() ([]netip.Addr, error)

func (r resolving) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) { return r() }

// configure puts one route in force.
func configure(t *testing.T, g *Gateway, rt settings.Route) *Table {
	t.Helper()
	rt.Name, rt.Match = "shop", "/"
	table, err := g.Prepare(t.Context(), settings.Gateway{Routes: []settings.Route{rt}})
	if err == nil {
		err = g.Use(table, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// A lookup that is under way when the route gets a list of hosts does not change that any more.
func TestLookup_AnAnswerThatComesAfterItsRouteHasAListChangesNothing(t *testing.T) {
	g := New(slog.New(slog.DiscardHandler))
	l := configure(t, g, settings.Route{DNS: "http://shop.test:80"}).lookups["shop"]
	list := settings.Route{Upstreams: []string{"http://10.0.0.1:80", "http://10.0.0.2:80"}}
	for _, answer := range []error{nil, errors.New("no such host")} {
		l.once(t.Context(), resolving(func() ([]netip.Addr, error) {
			configure(t, g, list)
			return []netip.Addr{netip.MustParseAddr("10.0.0.9")}, answer
		}))
		hosts := g.Routes()[0].Upstreams.Hosts
		if len(hosts) != 2 || hosts[0].Name != "10.0.0.1:80" {
			t.Errorf("the hosts are %+v", hosts)
		}
	}
}

// The error of a lookup says nothing of the name that the route has by then.
func TestLookup_TheErrorOfAnotherNameIsNotTold(t *testing.T) {
	g := New(slog.New(slog.DiscardHandler))
	l := configure(t, g, settings.Route{DNS: "http://old.test:80"}).lookups["shop"]
	l.once(t.Context(), resolving(func() ([]netip.Addr, error) {
		configure(t, g, settings.Route{DNS: "http://new.test:80"})
		return nil, errors.New("no such host")
	}))
	if s := g.Routes()[0].Lookup; s.Name != "new.test:80" || s.Err != "" || s.Failures != 0 {
		t.Errorf("the lookup is %+v", s)
	}
}
