package yamlx

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Document returns v in the JSON form of its document: maps, lists, texts, booleans
// and [json.Number]. Fields at their zero value are left out, as by [Encode].
func Document(v any, veil Veil) any {
	e := encoder{veil: veil}
	return asJSON(e.node("", reflect.ValueOf(v), tag{}))
}

func asJSON(n *yaml.Node) any {
	switch {
	case n == nil:
		return map[string]any{}
	case n.Kind == yaml.MappingNode:
		out := make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			out[n.Content[i].Value] = asJSON(n.Content[i+1])
		}
		return out
	case n.Kind == yaml.SequenceNode:
		out := make([]any, len(n.Content))
		for i, item := range n.Content {
			out[i] = asJSON(item)
		}
		return out
	case n.Tag == "!!int" || n.Tag == "!!float":
		return json.Number(n.Value)
	case n.Tag == "!!bool":
		return n.Value == "true"
	default:
		return n.Value
	}
}

// Tree returns the tree of a document in its JSON form, which stands at no place of
// any text.
func Tree(document any) *Node {
	n := &Node{Kind: Scalar}
	switch v := document.(type) {
	case map[string]any:
		n.Kind = Mapping
		for _, key := range slices.Sorted(maps.Keys(v)) {
			n.add(Pair{Key: key, Value: Tree(v[key])})
		}
	case []any:
		n.Kind = Sequence
		for _, item := range v {
			n.Items = append(n.Items, Tree(item))
		}
	case json.Number:
		n.Text, n.Bare = v.String(), true
	case bool:
		n.Text, n.Bare = "false", true
		if v {
			n.Text = "true"
		}
	case string:
		n.Text, n.Quoted = v, true
	default:
		n.Null = true
	}
	n.Raw = n.Text
	return n
}

// Document returns the tree in its JSON form again: variables as they were written, and
// hidden values that [Keep] has filled in as they are.
func (n *Node) Document() any {
	switch {
	case n.Kind == Mapping:
		out := make(map[string]any, len(n.Pairs))
		for i := range n.Pairs {
			out[n.Pairs[i].Key] = n.Pairs[i].Value.Document()
		}
		return out
	case n.Kind == Sequence:
		out := make([]any, len(n.Items))
		for i, item := range n.Items {
			out[i] = item.Document()
		}
		return out
	case n.Null:
		return nil
	case n.Bare && (n.Text == "true" || n.Text == "false"):
		return n.Text == "true"
	case n.Bare:
		return json.Number(n.Text)
	case n.Expanded && !HasVariable(n.Raw):
		return Literal(n.Text)
	default:
		return n.Raw
	}
}

// Leaves iterates over the scalars at and below n with their paths.
func (n *Node) Leaves(yield func(Path, *Node) bool) { n.leaves("", yield) }

func (n *Node) leaves(path Path, yield func(Path, *Node) bool) bool {
	if n.Kind == Scalar {
		return yield(path, n)
	}
	for i := range n.Pairs {
		if !n.Pairs[i].Value.leaves(path.Key(n.Pairs[i].Key), yield) {
			return false
		}
	}
	for i, item := range n.Items {
		if !item.leaves(path.Index(i), yield) {
			return false
		}
	}
	return true
}

// HasVariable reports whether a text as a document writes it holds a variable.
func HasVariable(raw string) bool { return strings.Contains(strings.ReplaceAll(raw, "$${", ""), "${") }

// Plain undoes [Literal].
func Plain(raw string) string { return strings.ReplaceAll(raw, "$${", "${") }

// HasFields reports whether values of v's type are documents: structs with keys of a
// file, or lists and maps of such.
func HasFields(v any) bool {
	if v == nil {
		return false
	}
	t := reflect.TypeOf(v)
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Map || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	return t.Kind() == reflect.Struct && len(fields(t)) > 0
}

// IsEntry reports whether what keys lead to, from v on, has a name that the document
// gives it, or a number, as against a field of settings, which is there even where the
// document leaves it out.
func IsEntry(v any, keys []string) bool {
	at, entry := reflect.ValueOf(v), false
	for _, key := range keys {
		for at.IsValid() && (at.Kind() == reflect.Pointer || at.Kind() == reflect.Interface) {
			at = pointedTo(at)
		}
		if !at.IsValid() {
			return false
		}
		switch at.Kind() {
		case reflect.Map, reflect.Slice:
			at, entry = reflect.New(at.Type().Elem()).Elem(), true
		case reflect.Struct:
			at, entry = below(at, key), false
		default:
			return false
		}
	}
	return entry
}

// pointedTo follows a pointer, also one that is nil, to a value of its type.
func pointedTo(v reflect.Value) reflect.Value {
	if v.Kind() == reflect.Pointer && v.IsNil() {
		return reflect.New(v.Type().Elem()).Elem()
	}
	return v.Elem()
}

func below(v reflect.Value, key string) reflect.Value {
	if f, ok := find(fields(v.Type()), key); ok {
		return v.FieldByIndex(f.index)
	}
	return entry(entries(v), key)
}

// Literal returns a text as a document writes it: what looks like a variable is none.
func Literal(text string) string { return strings.ReplaceAll(text, "${", "$${") }
