package eventstore

import (
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"
)

// What is written out of one event is bounded: what is longer is cut, and says so.
const (
	maxList   = 100       // elements of a list
	maxString = 16 << 10  // bytes of a text, as a stack is one
	maxTexts  = 128 << 10 // bytes of all texts
	maxValues = 2000      // of all kinds: what nests may be without end
	maxDepth  = 8
)

// encoder writes one event out.
type encoder struct{ depth, values, texts int }

const tooMuch = "…" // stands for what is left out

// encode writes an event out as a JSON object of its exported fields, in the manner of the
// admin API: names in snake_case, durations as numbers of seconds. Fields at their zero
// are left out: an event is stored millions of times. The id of the trace that the event
// belongs to stands beside them, as trace_id.
func encode(e any, trace string) (data json.RawMessage) {
	defer func() {
		if cause := recover(); cause != nil { // a method of what the event holds, as of an error of the user's
			data, _ = json.Marshal(map[string]string{"panic": fmt.Sprintf("%.200v", cause)})
		}
	}()
	written := new(encoder).plain(reflect.ValueOf(e))
	if fields, ok := written.(map[string]any); ok && trace != "" {
		fields["trace_id"] = trace
	}
	data, err := json.Marshal(written)
	if err == nil && len(data) > MaxData { // by what marshals itself
		err = fmt.Errorf("the event has %d bytes", len(data))
	}
	if err != nil {
		data, _ = json.Marshal(map[string]string{"error": fmt.Sprintf("%.200v", err)})
	}
	return data
}

// plain turns a value into what encoding/json writes as it should be; nil for nothing.
func (n *encoder) plain(v reflect.Value) any {
	n.depth++
	defer func() { n.depth-- }()
	if n.values++; n.values > maxValues || n.depth > maxDepth {
		return tooMuch
	}
	if (v.Kind() == reflect.Interface || v.Kind() == reflect.Pointer) && v.IsNil() || !v.IsValid() {
		return nil
	}
	if text, ok := textOf(v); ok {
		return n.cut(text)
	}
	if d, ok := reflect.TypeAssert[time.Duration](v); ok {
		return d.Seconds()
	}
	if v.Kind() == reflect.Interface || v.Kind() == reflect.Pointer {
		return n.plain(v.Elem())
	}
	return n.simple(v)
}

// textOf is the text of what has one.
func textOf(v reflect.Value) (string, bool) {
	if err, ok := reflect.TypeAssert[error](v); ok {
		return err.Error(), true
	}
	if t, ok := reflect.TypeAssert[time.Time](v); ok {
		return t.UTC().Format(time.RFC3339Nano), true
	}
	if m, ok := reflect.TypeAssert[encoding.TextMarshaler](v); ok {
		text, err := m.MarshalText()
		if err != nil {
			return err.Error(), true
		}
		return string(text), true
	}
	return "", false
}

func (n *encoder) simple(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Struct:
		return n.object(v)
	case reflect.Slice, reflect.Array:
		return n.list(v)
	case reflect.Map:
		return n.entries(v)
	case reflect.String:
		return n.cut(v.String())
	case reflect.Float32, reflect.Float64:
		if f := v.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Sprint(f)
		}
	case reflect.Func, reflect.Chan, reflect.UnsafePointer, reflect.Complex64, reflect.Complex128:
		return nil
	default: // what encoding/json writes as it is
	}
	return v.Interface()
}

func (n *encoder) object(v reflect.Value) map[string]any {
	out := make(map[string]any)
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() || v.Field(i).IsZero() {
			continue
		}
		name, value := snake(f.Name), v.Field(i)
		if d, ok := reflect.TypeAssert[time.Duration](value); ok {
			out[name+"_seconds"] = d.Seconds()
			continue
		}
		if p := n.plain(value); p != nil {
			out[name] = p
		}
	}
	return out
}

// entries are those of a map, under keys as fmt prints them, in the order of these.
func (n *encoder) entries(v reflect.Value) map[string]any {
	keys := make(map[string]reflect.Value, v.Len())
	for _, key := range v.MapKeys() {
		keys[fmt.Sprintf("%.100v", key.Interface())] = key
	}
	out := make(map[string]any)
	for _, text := range slices.Sorted(maps.Keys(keys)) {
		if len(out) == maxList {
			out[tooMuch] = fmt.Sprintf("and %d more", len(keys)-maxList)
			break
		}
		out[text] = n.plain(v.MapIndex(keys[text]))
	}
	return out
}

func (n *encoder) list(v reflect.Value) []any {
	out := make([]any, 0, min(v.Len(), maxList+1))
	for i := range min(v.Len(), maxList) {
		out = append(out, n.plain(v.Index(i)))
	}
	if more := v.Len() - maxList; more > 0 {
		out = append(out, fmt.Sprintf("and %d more", more))
	}
	return out
}

func (n *encoder) cut(text string) string {
	most := min(maxString, max(maxTexts-n.texts, 0))
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + tooMuch
	}
	n.texts += len(text)
	return text
}

// snake turns the name of a field in Go into one of JSON: RetryAt becomes retry_at.
func snake(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		upper := unicode.IsUpper(r)
		if upper && i > 0 && (!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
