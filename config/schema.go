package config

import (
	"encoding/json"
	"path"
	"reflect"

	"github.com/elixirscope/foundation/config/internal/yamlx"
	"github.com/elixirscope/foundation/pool"
)

// JSONSchema returns a JSON Schema (draft 2020-12) of the configuration file,
// for editors and other tools: keys with their descriptions, forms of values,
// enumerations. It says less than [Parse]: references between parts and the
// ranges of the parts' settings are not in it. Foreign sections, and the options of
// pools, are those of r.
func JSONSchema(r Registry) ([]byte, error) {
	s := yamlx.SchemaOf(reflect.TypeFor[Config](), describe)
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "foundation configuration"
	s["type"] = "object"
	s["required"] = []string{"version"}
	sections := s["properties"].(yamlx.Schema) //nolint:errcheck,forcetypeassert // made two lines above
	sections["version"] = yamlx.Schema{"const": version, "description": describe(reflect.TypeFor[Config](), "Version")}
	for _, foreign := range r.Sections {
		section := yamlx.SchemaOf(reflect.TypeOf(foreign.New()), foreign.describe)
		if foreign.Doc != "" {
			section["description"] = foreign.Doc
		}
		sections[foreign.Name] = section
	}
	addKinds(sections["pools"].(yamlx.Schema)["additionalProperties"].(yamlx.Schema), r.Kinds) //nolint:errcheck,forcetypeassert // as above
	return json.MarshalIndent(s, "", "  ")
}

// addKinds makes the schema of a pool's options depend on its kind of worker.
func addKinds(p yamlx.Schema, kinds map[string]pool.Kind) {
	names := knownKinds(kinds)
	if len(names) == 0 {
		return
	}
	var rules []yamlx.Schema
	for _, name := range names {
		options := yamlx.SchemaOf(reflect.TypeOf(newOptions(kinds[name])), describe)
		rules = append(rules, yamlx.Schema{
			"if":   yamlx.Schema{"properties": yamlx.Schema{"worker": yamlx.Schema{"const": name}}, "required": []string{"worker"}},
			"then": yamlx.Schema{"properties": yamlx.Schema{"options": options}},
		})
	}
	p["allOf"] = rules
	p["properties"].(yamlx.Schema)["worker"] = yamlx.Schema{ //nolint:errcheck,forcetypeassert // made by SchemaOf
		"enum": names, "description": describe(reflect.TypeFor[Pool](), "Worker"),
	}
}

// describe looks a field's documentation up. The table is written by the test
// that checks that it is current: go test ./config -update.
func describe(owner reflect.Type, field string) string {
	return descriptions[path.Base(owner.PkgPath())+"."+owner.Name()+"."+field]
}
