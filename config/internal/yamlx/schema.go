package yamlx

import (
	"reflect"
)

// Schema is a JSON Schema, or a part of one.
type Schema map[string]any

// Describe returns what a field is for, by the struct that declares it and its
// name in Go.
type Describe func(owner reflect.Type, field string) string

// The forms of values, as patterns of JSON Schema.
const (
	variablePattern = `\$\{[^}]*\}`
	durationPattern = `^([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h|d))+$`
	sizePattern     = `^[0-9]+(\.[0-9]*)? ?(B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)$`
	namePattern     = `^[a-z0-9][a-z0-9_.-]{0,62}$`
)

// SchemaOf returns the schema of what a file may say for a value of type t.
func SchemaOf(t reflect.Type, describe Describe) Schema { return schema(t, tag{}, describe) }

func schema(t reflect.Type, tg tag, describe Describe) Schema {
	switch {
	case t.Kind() == reflect.Interface:
		return Schema{"type": []string{"object", "null"}}
	case t.Kind() == reflect.Pointer:
		return schema(t.Elem(), tg, describe)
	case isScalar(reflect.New(t).Elem()):
		return scalarSchema(t, tg)
	case t.Kind() == reflect.Struct:
		if _, word := switchOf(t); word != "" {
			return Schema{"oneOf": []Schema{{"const": word}, {"type": "string", "pattern": variablePattern}, structSchema(t, describe)}}
		}
		return structSchema(t, describe)
	case t.Kind() == reflect.Map:
		out := Schema{"type": []string{"object", "null"}, "additionalProperties": schema(t.Elem(), tg, describe)}
		if t.Elem().Kind() == reflect.Struct && !tg.anyKey {
			out["propertyNames"] = Schema{"pattern": namePattern}
		}
		return out
	default:
		return Schema{"type": []string{"array", "null"}, "items": schema(t.Elem(), tg, describe)}
	}
}

func structSchema(t reflect.Type, describe Describe) Schema {
	properties := Schema{}
	for _, f := range fields(t) {
		property := schema(f.typ, f.tag, describe)
		if text := describe(f.owner, f.name); text != "" {
			property["description"] = text
		}
		properties[f.key] = property
	}
	return Schema{"type": []string{"object", "null"}, "properties": properties, "additionalProperties": false}
}

func scalarSchema(t reflect.Type, tg tag) Schema {
	variable := Schema{"type": "string", "pattern": variablePattern}
	if words := Words(t); len(words) > 0 {
		return Schema{"anyOf": []Schema{{"enum": words}, variable}}
	}
	zero := tg.zero || tg.allowZero
	switch {
	case reflect.PointerTo(t).Implements(textType):
		return Schema{"type": "string"}
	case t == durationType:
		return unitSchema(durationPattern, zero)
	case tg.size:
		return sizeSchema(tg, zero)
	case t.Kind() == reflect.String:
		return Schema{"type": "string"}
	case t.Kind() == reflect.Bool:
		return Schema{"anyOf": []Schema{{"type": "boolean"}, variable}}
	}
	number := Schema{"type": "integer", "minimum": 1}
	if t.Kind() == reflect.Float64 || t.Kind() == reflect.Float32 {
		number = Schema{"type": "number", "exclusiveMinimum": 0}
	}
	if zero {
		delete(number, "exclusiveMinimum")
		number["minimum"] = 0
	}
	return Schema{"anyOf": []Schema{number, variable}}
}

func sizeSchema(tg tag, zero bool) Schema {
	s := unitSchema(sizePattern, zero)
	if forms, ok := s["anyOf"].([]Schema); ok && tg.auto {
		s["anyOf"] = append(forms, Schema{"const": autoWord})
	}
	return s
}

// unitSchema is the schema of a number with a unit, which is a text in YAML.
func unitSchema(pattern string, zero bool) Schema {
	forms := []Schema{{"type": "string", "pattern": pattern}, {"type": "string", "pattern": variablePattern}}
	if zero {
		forms = append(forms, Schema{"const": 0})
	}
	return Schema{"anyOf": forms}
}
