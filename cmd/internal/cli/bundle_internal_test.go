package cli

import (
	"encoding/json"
	"strings"
	"testing"
)

// A key is the address, or the token, of a client: it is hidden in the sentences as well, and
// cannot be found by trying.
func TestWithoutKeys_HidesThemEverywhere(t *testing.T) {
	long := "sk_live_" + strings.Repeat("x", 20) + strings.Repeat("y", 30)
	var v any
	text := `{"rate_limits":[{"top_denied":[{"key":"203.0.113.9","denied":9},{"key":"` + long + `"},{"key":"a"}]}],"findings":[{"text":"guard g refuses; key 203.0.113.9 has 95 % of what it denied"},
		{"text":"key ` + long[:20] + "…" + long[len(long)-19:] + ` has all"}],"try":[{"command":"foundation rate-limit peek api 203.0.113.9"}]}`
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(withoutKeys(v))
	if err != nil {
		t.Fatal(err)
	}
	if s := string(out); strings.Contains(s, "203.0.113.9") || strings.Contains(s, "sk_live") || !strings.Contains(s, "guard g refuses; key sha256:") || !strings.Contains(s, `peek api sha256:`) || strings.Contains(s, "d861b7e9") {
		t.Error(s)
	}
}
