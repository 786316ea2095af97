package foundation

import (
	"maps"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"

	"github.com/elixirscope/foundation/telemetry"
)

var _ telemetry.Source = (*Foundation)(nil)

// The metrics of the layer itself.
var (
	descReloadOK = &telemetry.Desc{
		Name: "foundation_config_last_reload_successful", Help: "1 if the last reading of the configuration succeeded, else 0.", Kind: telemetry.Gauge,
	}
	descReloadTime = &telemetry.Desc{
		Name: "foundation_config_last_reload_success_timestamp_seconds", Help: "When the configuration was last read with success.", Kind: telemetry.Gauge,
	}
	descConfig = &telemetry.Desc{
		Name: "foundation_config_info", Help: "1 for the revision of the configuration that is in force.", Kind: telemetry.Gauge, Labels: []string{"revision"},
	}
	descBuild = &telemetry.Desc{
		Name: "foundation_build_info", Help: "1, labelled with the version of the library and of Go.", Kind: telemetry.Gauge, Labels: []string{"version", "goversion"},
	}
	descHandlers = &telemetry.Desc{
		Name: "foundation_handler_failures_total", Help: "Event handlers that panicked or ended their goroutine.", Kind: telemetry.Counter,
	}
)

// Collect implements [telemetry.Source] for the layer and all of its parts.
func (f *Foundation) Collect(emit func(telemetry.Sample)) {
	r, last := f.revision.Load(), f.reload.Load()
	ok := 1.0
	if last.err != nil {
		ok = 0
	}
	const milli = 1e3
	emit(telemetry.Sample{Desc: descReloadOK, Value: ok})
	emit(telemetry.Sample{Desc: descReloadTime, Value: float64(last.success.UnixMilli()) / milli})
	emit(telemetry.Sample{Desc: descConfig, Labels: []string{strconv.FormatUint(r.number, 10)}, Value: 1})
	emit(telemetry.Sample{Desc: descBuild, Labels: []string{version(), runtime.Version()}, Value: 1})
	emit(telemetry.Sample{Desc: descHandlers, Value: float64(f.bus.HandlerFailures())})
	collect(r.guards, emit)
	collect(r.breakers, emit)
	collect(r.groups, emit)
	collect(r.limiters, emit)
	collect(r.pools, emit)
}

func collect[P telemetry.Source](parts map[string]P, emit func(telemetry.Sample)) {
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		parts[name].Collect(emit)
	}
}

// modulePath is how builds name this module.
const modulePath = "github.com/elixirscope/foundation"

// version is the version of this module in the running program, "devel" when it
// was built from a working tree.
var version = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == modulePath && m.Version != "" && m.Version != "(devel)" {
			return m.Version
		}
	}
	return "devel"
})
