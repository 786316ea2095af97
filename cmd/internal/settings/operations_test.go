package settings_test

import (
	"strings"
	"testing"

	"github.com/elixirscope/foundation/config"
)

func TestPerformance_NamesRoutesThatThereAre(t *testing.T) {
	const text = "version: 1\ngateway: { routes: [ { match: \"/pay/\", upstream: \"http://127.0.0.1:1\" } ] }\nperformance:\n  thresholds: { \"route:/pay/\": { errors: 0.1 } }\n"
	parse(t, text)
	for _, wrong := range []string{
		strings.Replace(text, "route:/pay/", "route:/pai/", 1),
		"version: 1\nperformance: { objectives: { \"route:/pai/\": { success: 0.9 } } }\n",
	} {
		_, err := config.Parse("f.yaml", []byte(wrong), config.ParseOptions{Registry: registry})
		if err == nil || !strings.Contains(config.Render(err), `there is no route "/pai/" under gateway.routes`) || !strings.Contains(config.Render(err), "f.yaml:") {
			t.Errorf("%v", config.Render(err))
		}
	}
}
