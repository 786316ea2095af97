package httpworker_test

import (
	"testing"

	"github.com/elixirscope/foundation/pool/httpworker"
)

// Whatever the options are, they are refused or make a factory.
func FuzzOptions(f *testing.F) {
	f.Add("https://example.com/v1", "X-Key", "v", "")
	f.Add("http://u:p@[::1]:80", "bad header", "a\nb", "http://proxy:1")
	f.Fuzz(func(t *testing.T, base, name, value, proxy string) {
		o := httpworker.Options{BaseURL: base, Headers: map[string]string{name: value}, Proxy: proxy}
		invalid := o.Validate()
		if _, err := httpworker.New(o); (err == nil) != (invalid == nil) {
			t.Fatalf("Validate says %v and New %v", invalid, err)
		}
	})
}
