package settings_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/internal/testkit"
)

const referenceMark = "<!-- reference -->\n"

// TestReferenceIsCurrent keeps the tables of docs/configuration.md: every key
// with what it takes and what it means, from the schema.
func TestReferenceIsCurrent(t *testing.T) {
	const path = "../../../docs/configuration.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, _, found := strings.Cut(string(text), referenceMark)
	if !found {
		t.Fatalf("%s has no %s", path, referenceMark)
	}
	raw, err := config.JSONSchema(config.Registry{Sections: settings.Sections()})
	if err != nil {
		t.Fatal(err)
	}
	var s node
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	reference(&b, "", s)
	testkit.Golden(t, path, before+referenceMark+b.String(), *update)
}

// node is what of a schema the tables show.
type node struct {
	Description string          `json:"description"`
	Type        any             `json:"type"`
	Const       any             `json:"const"`
	Pattern     string          `json:"pattern"`
	Enum        []string        `json:"enum"`
	AnyOf       []node          `json:"anyOf"`
	OneOf       []node          `json:"oneOf"`
	Minimum     *float64        `json:"minimum"`
	Properties  map[string]node `json:"properties"`
	Additional  json.RawMessage `json:"additionalProperties"`
	Items       *node           `json:"items"`
}

// inner returns the schema of the entries of a section by name or a list.
func (n node) inner() (path string, entry node, ok bool) {
	if n.Items != nil {
		return "[]", *n.Items, true
	}
	var sub node
	if len(n.Properties) == 0 && json.Unmarshal(n.Additional, &sub) == nil && len(sub.Properties) > 0 {
		return ".NAME", sub, true
	}
	return "", n, false
}

// section returns the mapping of a section that may be off, and what else may stand there.
func (n node) section() (section node, off bool) {
	for _, form := range n.OneOf {
		if len(form.Properties) > 0 {
			form.Description = n.Description
			return form, true
		}
	}
	return n, false
}

// form says what a value looks like.
func (n node) form() string {
	if section, off := n.section(); off {
		return section.form() + ", off"
	}
	if len(n.AnyOf) > 0 {
		n.AnyOf[0].Description = n.Description
		form := n.AnyOf[0].form()
		for _, other := range n.AnyOf {
			if other.Const != nil {
				form += fmt.Sprint(", ", other.Const)
			}
		}
		return form
	}
	_, entry, many := n.inner()
	switch {
	case n.Const != nil:
		return fmt.Sprint(n.Const)
	case len(n.Enum) > 0:
		return strings.Join(n.Enum, ", ")
	case strings.Contains(n.Pattern, "ms"):
		return "duration"
	case strings.Contains(n.Pattern, "KiB"):
		return "size"
	case many && n.Items != nil && len(entry.Properties) == 0:
		return "list of texts"
	case many && n.Items != nil:
		return "list"
	case many:
		return "by name"
	case len(n.Properties) > 0:
		return "section"
	case n.Type == "string":
		return "text"
	case n.Type == "boolean":
		return "true, false"
	case n.Type == "integer" && n.Minimum != nil && *n.Minimum == 0:
		return "whole number, 0"
	case n.Type == "integer":
		return "whole number"
	case n.Type == "number" && n.Minimum != nil:
		return "number, 0"
	case n.Type == "number":
		return "number"
	default:
		return "section"
	}
}

func reference(b *strings.Builder, path string, n node) {
	title := "the file"
	if path != "" {
		title = "`" + strings.TrimPrefix(path, ".") + "`"
	}
	fmt.Fprintf(b, "\n### %s\n\n| Key | Value | Meaning |\n|---|---|---|\n", title)
	keys := slices.Sorted(maps.Keys(n.Properties))
	for _, key := range keys {
		p := n.Properties[key]
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", key, p.form(), strings.ReplaceAll(p.Description, "|", "\\|"))
	}
	for _, key := range keys {
		section, _ := n.Properties[key].section()
		suffix, entry, _ := section.inner()
		if len(entry.Properties) > 0 {
			reference(b, path+"."+key+suffix, entry)
		}
	}
}

func TestDescriptionsAreThoseOfTheSource(t *testing.T) {
	testkit.Golden(t, "descriptions.go", testkit.FieldDocs(t, "settings", "."), *update) // schema and reference follow with the next run
}

func TestSchemaIsCurrent(t *testing.T) {
	text, err := config.JSONSchema(config.Registry{Sections: settings.Sections()})
	if err != nil {
		t.Fatal(err)
	}
	testkit.Golden(t, "testdata/schema.json", string(text)+"\n", *update)
	if strings.Count(string(text), `"description"`) == 0 {
		t.Error("nothing is described")
	}
}

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(version: 1\n.*?)```")

// Every configuration that stands whole in the README or the docs is one that a
// daemon takes.
func TestDocumentedConfigurationsAreValid(t *testing.T) {
	pages, err := filepath.Glob("../../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, page := range append(pages, "../../../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range yamlBlock.FindAllStringSubmatch(string(text), -1) {
			found++
			if _, err := config.Parse(page, []byte(m[1]), config.ParseOptions{Registry: config.Registry{Sections: settings.Sections()}}); err != nil {
				t.Error(config.Render(err))
			}
		}
	}
	if found == 0 {
		t.Error("no page has a configuration")
	}
}
