package adminapi_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/elixirscope/foundation/internal/adminapi"
)

var update = flag.Bool("update", false, "write the golden files")

// answers are all top-level answers of the API.
func answers() map[string]any {
	return map[string]any{
		"status": adminapi.Status{}, "guards": adminapi.List[adminapi.Guard]{}, "breakers": adminapi.List[adminapi.Breaker]{},
		"rate_limits": adminapi.List[adminapi.RateLimit]{}, "pools": adminapi.List[adminapi.Pool]{}, "decision": adminapi.Decision{}, "why": adminapi.Why{}, "upstreams": adminapi.List[adminapi.Upstream]{},
		"config": adminapi.Config{}, "config_status": adminapi.ConfigState{},
		"log_level": adminapi.LogLevel{}, "log_level_request": adminapi.LogLevelRequest{}, "applied": adminapi.Applied{}, "problem": adminapi.Problem{},
		"events": adminapi.Events{}, "instances": adminapi.List[adminapi.Instance]{}, "services": adminapi.List[adminapi.Service]{},
		"health": adminapi.Health{}, "health_component": adminapi.HealthComponent{},
		"history": adminapi.List[adminapi.Revision]{}, "rollback_request": adminapi.RollbackRequest{}, "reload_request": adminapi.ReloadRequest{},
		"event_request": adminapi.EventRequest{}, "restart_request": adminapi.RestartRequest{},
		"frame": adminapi.Frame{}, "me": adminapi.Me{}, "sparklines": adminapi.Sparklines{}, "breaker_states": adminapi.BreakerStates{}, "switch_request": adminapi.SwitchRequest{},
		"memory": adminapi.Memory{}, "simulate_request": adminapi.SimulateRequest{},
		"override_request": adminapi.OverrideRequest{}, "check_request": adminapi.CheckRequest{},
	}
}

// fill gives every field a value that tells it from its zero value. A list of
// its parent's own type, as the members of a group, stays empty.
func fill(v reflect.Value, parent reflect.Type) {
	switch v.Kind() {
	case reflect.Struct:
		fillStruct(v)
	case reflect.Slice:
		fillSlice(v, parent)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("rate_limited"), reflect.ValueOf(uint64(7)))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), parent)
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint64:
		v.SetUint(7)
	case reflect.Float64:
		v.SetFloat(1.5)
	default:
		panic("a wire struct has a field of kind " + v.Kind().String())
	}
}

func fillStruct(v reflect.Value) {
	if v.Type() == reflect.TypeFor[time.Time]() {
		v.Set(reflect.ValueOf(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)))
		return
	}
	for _, field := range v.Fields() {
		fill(field, v.Type())
	}
}

func fillSlice(v reflect.Value, parent reflect.Type) {
	switch v.Type().Elem() {
	case reflect.TypeFor[byte]():
		v.SetBytes([]byte(`{"code":"circuit_open"}`)) // the one json.RawMessage
	case parent:
		v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	default:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), parent)
	}
}

// TestWireFormatIsAContract: whoever reads the API reads these names.
func TestWireFormatIsAContract(t *testing.T) {
	for name, zero := range answers() {
		for form, value := range map[string]any{"zero": zero, "filled": filled(zero)} {
			got, err := json.MarshalIndent(value, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, '\n')
			file := filepath.Join("testdata", name+"."+form+".json")
			if *update {
				if err := os.WriteFile(file, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: %v; if the change is meant, run go test -update and say so in the changelog\n%s", file, err, got)
			}
		}
	}
}

func filled(zero any) any {
	v := reflect.New(reflect.TypeOf(zero)).Elem()
	fill(v, nil)
	return v.Interface()
}

var snake = regexp.MustCompile(`^[a-z0-9]+(_[a-z0-9]+)*$`)

func TestWireStructs_KeepTheRulesOfTheFormat(t *testing.T) {
	seen := map[reflect.Type]bool{}
	for _, v := range answers() {
		checkType(t, reflect.TypeOf(v), seen)
	}
}

func checkType(t *testing.T, typ reflect.Type, seen map[reflect.Type]bool) {
	t.Helper()
	for typ.Kind() == reflect.Slice || typ.Kind() == reflect.Map || typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	if typ.Kind() != reflect.Struct || seen[typ] || typ.PkgPath() != reflect.TypeFor[adminapi.Status]().PkgPath() {
		return
	}
	seen[typ] = true
	for f := range typ.Fields() {
		if f.Anonymous {
			checkType(t, f.Type, seen)
			continue
		}
		tag := f.Tag.Get("json")
		if !snake.MatchString(tag) {
			t.Errorf("%s.%s: the tag %q is not one name in snake_case: options such as omitempty hide zero values", typ, f.Name, tag)
		}
		if f.Type == reflect.TypeFor[time.Duration]() {
			t.Errorf("%s.%s: a duration is a number of seconds", typ, f.Name)
		}
		if strings.Contains(f.Name, "Seconds") != strings.HasSuffix(tag, "_seconds") || strings.HasSuffix(tag, "_seconds") && f.Type.Kind() != reflect.Float64 {
			t.Errorf("%s.%s: a number of seconds is a float64 named …_seconds", typ, f.Name)
		}
		checkType(t, f.Type, seen)
	}
}
