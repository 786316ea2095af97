package foundation

import (
	"runtime"
	"runtime/debug"
	"sync"

	"github.com/elixirscope/foundation/telemetry"
)

var _ telemetry.Source = (*Foundation)(nil)

// The metrics of the layer itself.
var (
	descBuild = &telemetry.Desc{
		Name: "foundation_build_info", Help: "1, labelled with the version of the library and of Go.", Kind: telemetry.Gauge, Labels: []string{"version", "goversion"},
	}
	descHandlers = &telemetry.Desc{
		Name: "foundation_handler_failures_total", Help: "Event handlers that panicked or ended their goroutine.", Kind: telemetry.Counter,
	}
)

// Collect implements [telemetry.Source] for the layer and all of its parts.
func (f *Foundation) Collect(emit func(telemetry.Sample)) {
	f.config.Collect(emit)
	emit(telemetry.Sample{Desc: descBuild, Labels: []string{version(), runtime.Version()}, Value: 1})
	emit(telemetry.Sample{Desc: descHandlers, Value: float64(f.bus.HandlerFailures())})
	f.services.Collect(emit)
	f.own.collect(emit)
	a := f.assembly.Load()
	for _, s := range f.table {
		s.collect(a, emit)
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
