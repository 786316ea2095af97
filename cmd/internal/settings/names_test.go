package settings_test

import (
	"strings"
	"testing"

	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/config"
)

// namedRoutes is a document with routes of these names, "" for none.
func namedRoutes(names ...string) string {
	text := "version: 1\ngateway:\n  routes:\n"
	for i, name := range names {
		given := ""
		if name != "" {
			given = "name: " + name + ", "
		}
		text += "    - { " + given + "match: \"/" + strings.Repeat("p", i+1) + "/\", upstream: \"http://127.0.0.1:1\" }\n"
	}
	return text
}

func TestRouteNames_AreOptionalAndCalledByTheirMatchWithoutOne(t *testing.T) {
	c := parse(t, namedRoutes("pay", "", "search.v2"))
	var got []string
	for i := range settings.GatewayOf(c).Routes {
		got = append(got, settings.GatewayOf(c).Routes[i].Label())
	}
	if strings.Join(got, " ") != "pay /pp/ search.v2" {
		t.Errorf("they are called %v", got)
	}
}

func TestRouteNames_ThatAreWrongAreRefusedWithTheirPlace(t *testing.T) {
	for text, want := range map[string]string{
		namedRoutes("pay", "", "pay"): `gateway.routes[2].name pay: the same name as gateway.routes[0].name at f.yaml:4:`,
		namedRoutes(`"/pay/"`):        "gateway.routes[0].name: a name has 1 to",
		namedRoutes("Pay"):            "gateway.routes[0].name: a name has 1 to",
	} {
		_, err := config.Parse("f.yaml", []byte(text), options)
		if err == nil || !strings.Contains(config.Render(err), want) {
			t.Errorf("%s is answered with %v, want %q", text, config.Render(err), want)
		}
	}
}

// What the monitor watches is called as the route is.
func TestRouteNames_AreThoseOfTheirOperations(t *testing.T) {
	const objectives = "performance: { objectives: { \"route:pay\": { success: 0.9 } } }\n"
	parse(t, namedRoutes("pay")+objectives)
	_, err := config.Parse("f.yaml", []byte(namedRoutes("")+objectives), options)
	if err == nil || !strings.Contains(config.Render(err), `there is no route "pay" under gateway.routes`) {
		t.Errorf("%v", config.Render(err))
	}
}
