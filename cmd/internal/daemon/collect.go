package daemon

import "github.com/elixirscope/foundation/telemetry"

var descLogDropped = &telemetry.Desc{
	Name: "foundation_log_lines_dropped_total", Help: "Log lines that were lost because their reader stalled or left.", Kind: telemetry.Counter,
}

// Collect implements [telemetry.Source] for the daemon and the layer that it runs.
func (d *Daemon) Collect(emit func(telemetry.Sample)) {
	d.layer.Collect(emit)
	d.gateway.Collect(emit)
	for _, srv := range d.servers {
		srv.faults.collect(emit)
	}
	d.admin.Collect(emit)
	emit(telemetry.Sample{Desc: descLogDropped, Value: float64(d.options.LogDropped())})
}
