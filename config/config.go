package config

import (
	"iter"
	"reflect"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/memory"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/ratelimit/shared"
	"github.com/elixirscope/foundation/retry"
)

// version is the one version of the file that there is.
const version = 1

// Config is everything that can be set, as a file or as Go code. The zero
// Config is legal: nothing is configured. A Config is plain data; once it was
// given to [Parse]'s caller or to the layer it must not be changed, so that it
// can be shared: change a [Config.Clone].
type Config struct {
	// Version is the version of the file's form: 1.
	Version int `yaml:"version"`
	// Namespace tells several layers apart, as in "production"; default "default".
	Namespace string `yaml:"namespace"`
	// Storage says where records are kept; none are without it, unless the program that
	// reads the file keeps them by itself, as the binary does.
	Storage *Storage `yaml:"storage" config:"local"`
	// Events says how long what was recorded is kept.
	Events Events `yaml:"events"`
	// Shared says where rate limits with scope shared are counted, together with the other
	// processes of the namespace; it is required with such a limit.
	Shared *Shared `yaml:"shared" config:"local"`
	// Memory says how the memory of the process is watched: a mapping, or the word off. Left
	// out it is not, unless the program that reads the file does so by itself, as the binary
	// does.
	Memory *Memory `yaml:"memory"`
	// Performance says how operations are watched and alerts raised: a mapping, or the word
	// off. Left out they are not, unless the program that reads the file does so by itself, as
	// the binary does.
	Performance *Performance `yaml:"performance"`
	// Health says what is checked, and what that decides: a mapping, or the word off. Left
	// out no checks run, unless the program that reads the file runs them by itself, as the
	// binary does.
	Health *Health `yaml:"health"`
	// Breakers are the circuit breakers, by name.
	Breakers map[string]Breaker `yaml:"breakers"`
	// RateLimits are the rules of rate limiting, by name.
	RateLimits map[string]RateLimit `yaml:"rate_limits"`
	// Retries are the policies of retries, by name.
	Retries map[string]retry.Config `yaml:"retries"`
	// Pools are the pools of workers, by name.
	Pools map[string]Pool `yaml:"pools"`
	// Guards are the guards, by name.
	Guards map[string]Guard `yaml:"guards"`
	// Sections are the settings of foreign sections, by name: what [Section.New]
	// returned, filled in. A section that the file leaves out is not among them.
	Sections map[string]any `yaml:",inline"`

	origin    *origin // of a parsed Config, else nil
	checkedBy any     // the *Server that has validated it, so that it need not again; nil of a Clone
	hashed    string  // the hash of its document, where a *Server has made it; "" of a Clone
}

// Storage says where records are kept. Empty means memory: they are gone at the end.
type Storage struct {
	// Path is the directory of the embedded store.
	Path string `yaml:"path"`
	// Postgres is the connection string of a shared store; not together with path.
	Postgres Secret `yaml:"postgres" config:"secret"`
	// Wait is how long the start waits for a storage that is away, as while the process
	// before this one still holds it; the layer serves without it afterwards. Default 10s.
	Wait time.Duration `yaml:"wait"`
}

// Events says how long events are kept, and how many.
type Events struct {
	// Retention is how old an event may become. Default 7d.
	Retention time.Duration `yaml:"retention"`
	// MaxSize is how many bytes all events may take; the oldest go first. Default 256MiB.
	MaxSize int64 `yaml:"max_size" config:"size"`
}

// Memory says how the memory of the process is watched.
type Memory struct {
	// Off switches the section off, which is the word off in the place of the mapping. The
	// other fields are zero then.
	Off           bool `yaml:",word=off"`
	memory.Config `yaml:",inline"`
}

// Breaker is a circuit breaker, or a group of them.
type Breaker struct {
	breaker.Config `yaml:",inline"`
	// Per makes it a group: "key" gives each key of calls a breaker of its own, "target" each host or shard that calls go to. Default: one breaker for all.
	Per string `yaml:"per"`
	// MaxMembers bounds the breakers of a group; default 1024.
	MaxMembers int `yaml:"max_members"`
}

// What makes a breaker a group: by the call's key, or by its target.
const perKey, perTarget = "key", "target"

// RateLimit is a rule of rate limiting.
type RateLimit struct {
	ratelimit.Config `yaml:",inline"`
	// Parent names the rule that must also allow each call; default none.
	Parent string `yaml:"parent"`
	// Scope says whose calls are counted together: local, those of this process (the default),
	// or shared, those of all processes that use the store of the section shared under one namespace.
	Scope Scope `yaml:"scope"`
	// OnError says how a call is decided while the shared store is away: local, by this process with its
	// share of the limit (the default), allow, or deny. It needs scope: shared.
	OnError shared.OnError `yaml:"on_error"`
	// Prefetch is how many calls of a busy key are taken from the shared store ahead, so that most of them cost no
	// round trip; at most a quarter of what the rule admits at once. Default none. It needs scope: shared.
	Prefetch int64 `yaml:"prefetch"`
	// Overrides are what single keys are counted by instead, by the text of a key: its first
	// parts, as many as the rule looks at, percent-encoded and joined by "/". A mapping of
	// limit, per and burst, where what is left out is the rule's, or the word exempt.
	Overrides map[string]ratelimit.Override `yaml:"overrides" config:"anykey"`
}

// Pool is a pool of workers.
type Pool struct {
	// Worker names the kind of worker, as in "http", "sql" or "postgres".
	Worker string `yaml:"worker"`
	// Options are the worker's own settings. In Go this is what the kind's NewOptions returns.
	Options     any `yaml:"options"`
	pool.Config `yaml:",inline"`
}

// Guard is a guard and the names of the parts that it uses. The fields of
// [guard.Config] that hold parts themselves must be nil.
type Guard struct {
	// RateLimit names a rule of rate_limits; default none.
	RateLimit string `yaml:"rate_limit"`
	// Breaker names a breaker of breakers; default none.
	Breaker string `yaml:"breaker"`
	// Pool names a pool of pools; default none.
	Pool string `yaml:"pool"`
	// Retry names a policy of retries, by which idempotent calls are tried again; default none.
	Retry        string `yaml:"retry"`
	guard.Config `yaml:",inline"`
}

// Clone returns a copy that can be changed without changing c. Pool options are
// shared: replace them, do not change them.
func (c *Config) Clone() *Config {
	out := *c
	out.checkedBy, out.hashed = nil, ""
	unshare(reflect.ValueOf(&out).Elem())
	for name, settings := range out.Sections {
		out.Sections[name] = unshared(reflect.ValueOf(settings)).Interface()
	}
	return &out
}

// unshare gives v its own copy of all that its exported fields and elements refer
// to, but for what stands behind an interface or is no setting of the file.
func unshare(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice:
		v.Set(unshared(v))
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && f.Tag.Get("yaml") != "-" {
				unshare(v.Field(i))
			}
		}
	default: // a copy of the value is one already
	}
}

// unshared returns a copy of what a pointer, map or slice refers to.
func unshared(v reflect.Value) reflect.Value {
	if v.IsNil() {
		return v
	}
	switch v.Kind() {
	case reflect.Pointer:
		out := reflect.New(v.Type().Elem())
		out.Elem().Set(v.Elem())
		unshare(out.Elem())
		return out
	case reflect.Map:
		out := reflect.MakeMapWithSize(v.Type(), v.Len())
		for key, value := range v.Seq2() {
			entry := reflect.New(v.Type().Elem()).Elem()
			entry.Set(value)
			unshare(entry)
			out.SetMapIndex(key, entry)
		}
		return out
	default:
		out := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(out, v)
		for i := range out.Len() {
			unshare(out.Index(i))
		}
		return out
	}
}

// equal reports whether both set the same; where they were read from does not
// matter.
func (c *Config) equal(other *Config) bool {
	a, b := *c, *other
	a.origin, b.origin = nil, nil
	a.checkedBy, b.checkedBy = nil, nil
	a.hashed, b.hashed = "", ""
	return reflect.DeepEqual(a, b) //nolint:govet // whatever could hold an error is nil in a configuration that is in force
}

// makeMaps makes the maps of named parts that are nil, for callers that add to them.
func (c *Config) makeMaps() {
	for m := range c.maps() {
		if m.IsNil() {
			m.Set(reflect.MakeMap(m.Type()))
		}
	}
}

// dropEmptyMaps undoes makeMaps: for [Config.equal] no parts are nil.
func (c *Config) dropEmptyMaps() {
	for m := range c.maps() {
		if m.Len() == 0 {
			m.SetZero()
		}
	}
}

// maps yields the sections of named parts.
func (c *Config) maps() iter.Seq[reflect.Value] {
	return func(yield func(reflect.Value) bool) {
		v := reflect.ValueOf(c).Elem()
		for _, f := range v.Fields() {
			if f.Kind() == reflect.Map && !yield(f) {
				return
			}
		}
	}
}

// graft gives next what base has beside its document, as the classifier of a guard:
// what was read of a document has lost it.
func graft(next, base *Config) {
	if base != nil {
		graftValue(reflect.ValueOf(next).Elem(), reflect.ValueOf(base).Elem())
	}
}

func graftValue(next, base reflect.Value) {
	switch next.Kind() {
	case reflect.Struct:
		for i := range next.NumField() {
			key, isField := next.Type().Field(i).Tag.Lookup("yaml")
			switch {
			case !next.Type().Field(i).IsExported():
			case !isField || key == "-":
				next.Field(i).Set(base.Field(i))
			default:
				graftValue(next.Field(i), base.Field(i))
			}
		}
	case reflect.Map:
		for key, value := range next.Seq2() {
			if old := base.MapIndex(key); old.IsValid() {
				entry := reflect.New(value.Type()).Elem()
				entry.Set(value)
				graftValue(entry, old)
				next.SetMapIndex(key, entry)
			}
		}
	case reflect.Interface, reflect.Pointer:
		if !next.IsNil() && !base.IsNil() && next.Elem().Type() == base.Elem().Type() {
			graftValue(next.Elem(), base.Elem())
		}
	default: // a value of the document
	}
}
