// Package jsontree reads, changes and compares documents in their JSON form: the
// values of encoding/json with numbers as [json.Number]. Trees are never changed in
// place: what a function returns may share with what it was given.
package jsontree

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// Limits bound what is read. They are those of a configuration file.
type Limits struct{ Bytes, Depth, Values, Text int }

// Fault is what is wrong with a text, and where: line and column from 1, the column
// in characters.
type Fault struct { //nolint:errname // as yamlx.Fault
	Line, Column int
	Message      string
}

// Error implements error.
func (f *Fault) Error() string { return f.Message }

// Parse reads one JSON value, strictly: nothing behind it, no key twice, nothing
// beyond the limits. The error is a *[Fault].
func Parse(data []byte, l Limits) (any, error) {
	if len(data) > l.Bytes {
		return nil, &Fault{1, 1, fmt.Sprintf("the document has %d bytes, at most %d are allowed", len(data), l.Bytes)}
	}
	p := parser{data: data, in: json.NewDecoder(bytes.NewReader(data)), limits: l}
	p.in.UseNumber()
	if !utf8.Valid(data) {
		return nil, p.fault(firstInvalid(data), "this byte is not UTF-8 text")
	}
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	if _, err := p.in.Token(); !errors.Is(err, io.EOF) {
		return nil, p.fault(p.in.InputOffset(), "something stands behind the end of the document")
	}
	return v, nil
}

func firstInvalid(data []byte) int64 {
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 {
			return int64(i)
		}
		i += size
	}
	return int64(len(data))
}

type parser struct {
	data   []byte
	in     *json.Decoder
	limits Limits
	values int
}

func (p *parser) fault(offset int64, format string, args ...any) *Fault {
	before := p.data[:min(max(offset, 0), int64(len(p.data)))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	return &Fault{line, column, fmt.Sprintf(format, args...)}
}

// token returns the next token and where it ends.
func (p *parser) token() (json.Token, error) {
	t, err := p.in.Token()
	if err == nil {
		return t, nil
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return nil, p.fault(syntax.Offset, "this is not JSON: %v", syntax)
	}
	return nil, p.fault(int64(len(p.data)), "this is not JSON: it ends too early")
}

func (p *parser) value(depth int) (any, error) {
	t, err := p.token()
	if err != nil {
		return nil, err
	}
	if p.values++; p.values > p.limits.Values {
		return nil, p.fault(p.in.InputOffset(), "more than %d values", p.limits.Values)
	}
	if depth > p.limits.Depth {
		return nil, p.fault(p.in.InputOffset(), "nested more than %d levels deep", p.limits.Depth)
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '{' {
			return p.object(depth)
		}
		return p.array(depth)
	case string:
		if len(t) > p.limits.Text {
			return nil, p.fault(p.in.InputOffset(), "this text has %d bytes, at most %d are allowed", len(t), p.limits.Text)
		}
	}
	return t, nil
}

func (p *parser) object(depth int) (any, error) {
	out := make(map[string]any)
	for p.in.More() {
		t, err := p.token()
		if err != nil {
			return nil, err
		}
		key, _ := t.(string) // the decoder takes nothing else here
		if _, twice := out[key]; twice {
			return nil, p.fault(p.in.InputOffset(), "the key %q stands here twice", key)
		}
		if len(key) > p.limits.Text {
			return nil, p.fault(p.in.InputOffset(), "this key has %d bytes, at most %d are allowed", len(key), p.limits.Text)
		}
		if out[key], err = p.value(depth + 1); err != nil {
			return nil, err
		}
	}
	_, err := p.token()
	return out, err
}

func (p *parser) array(depth int) (any, error) {
	out := []any{}
	for p.in.More() {
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	_, err := p.token()
	return out, err
}
