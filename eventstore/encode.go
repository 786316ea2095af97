package eventstore

import (
	"encoding"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"
	"unicode"
)

// What is written out of one event is bounded: what is longer is cut, and says so.
const (
	maxList   = 100      // elements of a list
	maxString = 16 << 10 // bytes of a text, as a stack is one
)

// encode writes an event out as a JSON object of its exported fields, in the manner of the
// admin API: names in snake_case, durations as numbers of seconds. Fields at their zero
// are left out: an event is stored millions of times.
func encode(e any) (data json.RawMessage) {
	defer func() {
		if cause := recover(); cause != nil { // a method of what the event holds, as of an error of the user's
			data, _ = json.Marshal(map[string]string{"panic": fmt.Sprintf("%.200v", cause)})
		}
	}()
	data, err := json.Marshal(plain(reflect.ValueOf(e)))
	if err != nil {
		data, _ = json.Marshal(map[string]string{"error": err.Error()})
	}
	return data
}

// plain turns a value into what encoding/json writes as it should be; nil for nothing.
func plain(v reflect.Value) any {
	for v.Kind() == reflect.Interface || v.Kind() == reflect.Pointer {
		if err, ok := asError(v); ok {
			return cut(err.Error())
		}
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	if err, ok := asError(v); ok {
		return cut(err.Error())
	}
	if t, ok := reflect.TypeAssert[time.Time](v); ok {
		return t.UTC().Format(time.RFC3339Nano)
	}
	if m, ok := reflect.TypeAssert[encoding.TextMarshaler](v); ok {
		text, err := m.MarshalText()
		if err != nil {
			return err.Error()
		}
		return cut(string(text))
	}
	return simple(v)
}

func asError(v reflect.Value) (error, bool) {
	if (v.Kind() == reflect.Interface || v.Kind() == reflect.Pointer) && v.IsNil() {
		return nil, false
	}
	return reflect.TypeAssert[error](v)
}

func simple(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Struct:
		return object(v)
	case reflect.Slice, reflect.Array:
		return list(v)
	case reflect.Map:
		return fmt.Sprint(v.Interface())
	case reflect.String:
		return cut(v.String())
	case reflect.Float32, reflect.Float64:
		if f := v.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Sprint(f)
		}
	case reflect.Func, reflect.Chan, reflect.UnsafePointer, reflect.Complex64, reflect.Complex128:
		return nil
	}
	return v.Interface()
}

func object(v reflect.Value) map[string]any {
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
		if p := plain(value); p != nil {
			out[name] = p
		}
	}
	return out
}

func list(v reflect.Value) []any {
	out := make([]any, 0, min(v.Len(), maxList+1))
	for i := range min(v.Len(), maxList) {
		out = append(out, plain(v.Index(i)))
	}
	if more := v.Len() - maxList; more > 0 {
		out = append(out, fmt.Sprintf("and %d more", more))
	}
	return out
}

func cut(text string) string {
	if len(text) > maxString {
		text = strings.ToValidUTF8(text[:maxString], "") + "…"
	}
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
