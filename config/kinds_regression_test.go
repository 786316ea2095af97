package config_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/pool"
)

// odd is a kind of worker whose options are whatever it was made with.
type odd struct {
	pool.Kind
	options any
}

func (o odd) NewOptions() any { return o.options }

// careless are options whose validation returns err.
type careless struct{ err error }

func (c *careless) Validate() error { return c.err }

func TestKindsAndOptionsThatAreNil(t *testing.T) {
	oddKinds := map[string]pool.Kind{
		"nil": nil, "pointer": (*odd)(nil), "none": odd{}, "untyped": odd{options: (*careless)(nil)}, "fine": pool.KindOf(func(struct{}) (pool.Factory[int], error) {
			return pool.Factory[int]{New: func(context.Context) (int, error) { return 1, nil }}, nil
		}),
	}
	for text, want := range map[string]string{
		"{ worker: nil }":                           `the kind of worker "nil" is registered and nil`,
		"{ worker: pointer, options: { a: 1 } }":    `the kind of worker "pointer" is registered and nil`,
		"{ worker: none, options: { a: 1 } }":       `pools.p.options.a`,
		"{ worker: untyped, options: { a: 1 } }":    `pools.p.options.a`,
		"{ worker: fien }":                          `did you mean "fine"`,
		"{ worker: none }":                          "",
		"{ worker: untyped, options: {}, size: 1 }": "",
	} {
		_, err := config.Parse("f.yaml", []byte("version: 1\npools: { p: "+text+" }\n"), config.ParseOptions{Registry: config.Registry{Kinds: oddKinds}})
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", text, err)
		case want != "" && (!errors.Is(err, fault.InvalidConfig) || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	schema, err := config.JSONSchema(config.Registry{Kinds: oddKinds})
	if err != nil || strings.Contains(string(schema), `"pointer"`) || !strings.Contains(string(schema), `"untyped"`) {
		t.Errorf("the schema: %v, %s", err, schema)
	}
}

func TestOptionsThatAreNilOrReturnNilErrors(t *testing.T) {
	fine := map[string]pool.Kind{"fine": odd{}}
	for about, c := range map[string]struct {
		options any
		want    string
	}{
		"nil":                       {nil, ""},
		"valid":                     {&careless{}, ""},
		"a nil pointer":             {(*careless)(nil), "pools.p.options: are a nil *config_test.careless"},
		"an error":                  {&careless{errors.New("too careless")}, "pools.p.options: too careless"},
		"a nil pointer as an error": {&careless{(*fault.Error)(nil)}, "pools.p.options: a nil *fault.Error was returned"},
	} {
		cfg := &config.Config{Pools: map[string]config.Pool{"p": {Worker: "fine", Options: c.options}}}
		_, err := cfg.Validate(config.Registry{Kinds: fine})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", about, err, c.want)
		}
	}
	if got := config.Render((*fault.Error)(nil)); !strings.Contains(got, "nil *fault.Error") {
		t.Errorf("it renders %q", got)
	}
}
