package yamlx

import (
	"bytes"
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// Veil says what to write instead of the value at a path: for a secret, or for
// a value that came from a variable.
type Veil func(path Path, v reflect.Value, secret bool) (text string, veiled bool)

// Encode writes v as a YAML document. Fields at their zero value are left out.
func Encode(v any, veil Veil) ([]byte, error) {
	e := encoder{veil: veil}
	n := e.node("", reflect.ValueOf(v), tag{})
	if n == nil {
		n = &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
	}
	return dump(n)
}

// chunk is how many nodes are written at once. The library keeps all events of a
// document, half a kilobyte for each value, until the document is written: to write a
// large one as a whole takes three times as long, and grows faster than it.
const chunk = 256

// dump writes a document, its large mappings in chunks. The result is as if it had been
// written as a whole.
func dump(n *yaml.Node) ([]byte, error) {
	if len(n.Content) == 0 {
		return yaml.Dump(n)
	}
	var out bytes.Buffer
	err := dumpEntries(&out, "", n.Content)
	return out.Bytes(), err
}

// dumpEntries writes the entries of a mapping: those that are large each by themselves,
// the others together.
func dumpEntries(out *bytes.Buffer, indent string, entries []*yaml.Node) error {
	begin, size := 0, 0
	for i := 0; i+1 < len(entries); i += 2 {
		key, value := entries[i], entries[i+1]
		n := weight(value)
		large := n > chunk && value.Kind == yaml.MappingNode
		if size += n; size < chunk && !large {
			continue
		}
		end := i + 2
		if large {
			end = i
		}
		if err := dumpTo(out, indent, entries[begin:end]...); err != nil {
			return err
		}
		begin, size = i+2, 0
		if large {
			if err := dumpLarge(out, indent, key, value); err != nil {
				return err
			}
		}
	}
	return dumpTo(out, indent, entries[begin:]...)
}

// dumpLarge writes an entry whose value is a mapping, line by line.
func dumpLarge(out *bytes.Buffer, indent string, key, value *yaml.Node) error {
	if err := dumpTo(out, indent, key, plain("")); err != nil {
		return err
	}
	out.Truncate(bytes.LastIndexByte(out.Bytes(), ':') + 1)
	out.WriteByte('\n')
	return dumpEntries(out, indent+"  ", value.Content)
}

// weight is the number of nodes of a tree, or some number above chunk.
func weight(n *yaml.Node) int {
	sum := 1
	for _, c := range n.Content {
		if sum += weight(c); sum > chunk {
			break
		}
	}
	return sum
}

// dumpTo writes entries of a mapping, each line behind indent.
func dumpTo(out *bytes.Buffer, indent string, entries ...*yaml.Node) error {
	if len(entries) == 0 {
		return nil
	}
	text, err := yaml.Dump(&yaml.Node{Kind: yaml.MappingNode, Content: entries}, yaml.WithLineWidth(-1))
	for line := range bytes.Lines(text) {
		if len(line) > 1 {
			out.WriteString(indent)
		}
		out.Write(line)
	}
	return err
}

type encoder struct {
	veil  Veil
	known Decoder // for its fields
}

// node returns the tree of v, or nil if it is the zero value and t does not
// give that a meaning of its own.
func (e *encoder) node(path Path, v reflect.Value, t tag) *yaml.Node {
	boxed, pointed := v.Kind() == reflect.Interface, false // by a field of its own, which the options of a pool are not
	for v.IsValid() && (v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface) {
		pointed = v.Kind() == reflect.Pointer && !boxed
		v = v.Elem()
	}
	if v.IsValid() && v.IsZero() && pointed && v.Kind() == reflect.Struct {
		return &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle} // a section that is there counts
	}
	if !v.IsValid() || v.IsZero() {
		return nil
	}
	if set, word := e.known.word(v); set.IsValid() && set.Bool() {
		v, t.word = set, word
	}
	if text, veiled := e.veil(path, v, t.secret); veiled {
		return plain(text)
	}
	switch {
	case isScalar(v):
		return scalarNode(v, t)
	case v.Kind() == reflect.Struct:
		return e.structure(path, v)
	case v.Kind() == reflect.Map:
		return e.mapping(path, v, t)
	default:
		return e.list(path, v, t)
	}
}

func (e *encoder) structure(path Path, v reflect.Value) *yaml.Node {
	out := &yaml.Node{Kind: yaml.MappingNode}
	for _, f := range e.known.fields(v.Type()) {
		if value := e.node(path.Key(f.key), v.FieldByIndex(f.index), f.tag); value != nil {
			out.Content = append(out.Content, plain(f.key), value)
		}
	}
	more := entries(v)
	for _, key := range sortedKeys(more) {
		if value := e.node(path.Key(key.String()), more.MapIndex(key).Elem(), tag{}); value != nil {
			out.Content = append(out.Content, plain(key.String()), value)
		}
	}
	return out
}

func (e *encoder) mapping(path Path, v reflect.Value, t tag) *yaml.Node {
	out := &yaml.Node{Kind: yaml.MappingNode}
	for _, key := range sortedKeys(v) {
		value := e.node(path.Key(key.String()), v.MapIndex(key), t)
		if value == nil {
			value = atZero(v.MapIndex(key), t)
		}
		out.Content = append(out.Content, plain(key.String()), value)
	}
	return out
}

func (e *encoder) list(path Path, v reflect.Value, t tag) *yaml.Node {
	out := &yaml.Node{Kind: yaml.SequenceNode}
	for i := range v.Len() {
		value := e.node(path.Index(i), v.Index(i), t)
		if value == nil {
			value = atZero(v.Index(i), t)
		}
		out.Content = append(out.Content, value)
	}
	return out
}

// atZero returns the tree of an entry at its zero value: it is still an entry.
func atZero(v reflect.Value, t tag) *yaml.Node {
	if v.Kind() != reflect.Interface && v.Kind() != reflect.Pointer && isScalar(v) {
		return scalarNode(v, t)
	}
	if v.Kind() == reflect.Slice {
		return &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	}
	return &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
}

// plain returns a text; the library puts it in quotes where it must.
func plain(text string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(text)
	return n
}

func bare(text, kind string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: kind, Value: text}
}

func scalarNode(v reflect.Value, t tag) *yaml.Node {
	if m, ok := reflect.TypeAssert[encoding.TextMarshaler](v); ok {
		text, err := m.MarshalText()
		if err != nil {
			text = fmt.Append(nil, v.Interface())
		}
		return plain(string(text))
	}
	switch {
	case t.word != "" && v.Bool():
		return plain(t.word)
	case t.word != "":
		return plain(onWord)
	case t.zero && (v.CanInt() && v.Int() < 0 || v.CanFloat() && v.Float() < 0):
		return bare("0", "!!int")
	case v.Type() == durationType:
		return bare(FormatDuration(time.Duration(v.Int())), "!!str")
	case t.size && v.CanInt():
		return bare(FormatSize(v.Int()), "!!str")
	case v.CanInt():
		return bare(strconv.FormatInt(v.Int(), 10), "!!int")
	case v.CanUint():
		return bare(strconv.FormatUint(v.Uint(), 10), "!!int")
	case v.CanFloat():
		return bare(strconv.FormatFloat(v.Float(), 'g', -1, 64), "!!float")
	case v.Kind() == reflect.Bool:
		return bare(strconv.FormatBool(v.Bool()), "!!bool")
	default:
		return plain(Literal(v.String()))
	}
}

// FormatDuration writes d as people do: "1m30s", "2h", never "2h0m0s".
func FormatDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// FormatSize writes a number of bytes with the largest binary unit that loses
// nothing.
func FormatSize(n int64) string {
	for _, u := range []string{"TiB", "GiB", "MiB", "KiB"} {
		if unit, _ := ParseSize("1" + u); n >= unit && n%unit == 0 {
			return strconv.FormatInt(n/unit, 10) + u
		}
	}
	return strconv.FormatInt(n, 10) + "B"
}
