package settings_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
)

// A URL that the store cannot use is a fault of the file, at its place and without its text.
func TestTheURLOfTheSharedStoreIsChecked(t *testing.T) {
	for url, message := range map[string]string{
		"redis://u:swordfish@h:6379/0":          "",
		"rediss://h":                            "",
		"redis+cluster://h:1?addr=i:2":          "",
		"redis+sentinel://h:1?master_name=main": "",
		"h:6379/swordfish":                      "must be a URL",
		"http://u:swordfish@h":                  "invalid URL scheme",
		"redis://u:swordfish@h/zero":            "invalid database number",
		"redis+sentinel://u:swordfish@h:1":      "master_name",
		"redis+sharded://u:swordfish@h:1":       "must begin with redis://",
	} {
		_, err := config.Parse("f.yaml", []byte("version: 1\nnamespace: shop\nshared:\n  redis: \""+url+"\"\n"), config.ParseOptions{Registry: withHTTP})
		if message == "" {
			if err != nil {
				t.Errorf("%s: %v", url, config.Render(err))
			}
			continue
		}
		f, ok := errors.AsType[*fault.Error](err)
		if !ok || len(f.Problems()) != 1 || f.Problems()[0].Position != "f.yaml:4:10" || !strings.Contains(f.Problems()[0].Message, message) || strings.Contains(config.Render(err), "swordfish") {
			t.Errorf("%s: want %q, got\n%s", url, message, config.Render(err))
		}
	}
}
