package config_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/internal/testkit"
)

// documented are the packages whose Config structs stand in the file.
var documented = []string{".", "../breaker", "../ratelimit", "../guard", "../retry", "../pool", "../memory", "../perf", "../health", "../pool/httpworker", "../pool/sqlworker", "../adapters/postgres"}

func TestDescriptionsAreThoseOfTheSource(t *testing.T) {
	goldenFile(t, "descriptions.go", testkit.FieldDocs(t, "config", documented...))
}

func TestEveryKeyOfTheSchemaIsDescribed(t *testing.T) {
	text, err := config.JSONSchema(config.Registry{})
	if err != nil {
		t.Fatal(err)
	}
	var s map[string]any
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	undescribed(t, "", s)
}

func undescribed(t *testing.T, path string, s map[string]any) {
	t.Helper()
	properties, _ := s["properties"].(map[string]any)
	for key, p := range properties {
		sub, _ := p.(map[string]any)
		if sub["description"] == nil {
			t.Errorf("%s.%s has no description", path, key)
		}
		undescribed(t, path+"."+key, sub)
	}
	forms, _ := s["oneOf"].([]any)
	for _, form := range forms {
		sub, _ := form.(map[string]any)
		undescribed(t, path, sub)
	}
	for _, key := range []string{"additionalProperties", "items"} {
		if sub, ok := s[key].(map[string]any); ok {
			undescribed(t, path+"[]", sub)
		}
	}
}

func TestSchemaKnowsTheOptionsOfKinds(t *testing.T) {
	text, err := config.JSONSchema(registry)
	if err != nil || !strings.Contains(string(text), `"dsn"`) || !strings.Contains(string(text), `"enum": [
              "postgres"
            ]`) {
		t.Errorf("%v\n%s", err, text)
	}
}
