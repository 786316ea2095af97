package config

import (
	"strconv"

	"github.com/elixirscope/foundation/telemetry"
)

var _ telemetry.Source = (*Server)(nil)

var (
	descReloadOK = &telemetry.Desc{
		Name: "foundation_config_last_reload_successful", Help: "1 if the last reading of the configuration succeeded, else 0.", Kind: telemetry.Gauge,
	}
	descReloadTime = &telemetry.Desc{
		Name: "foundation_config_last_reload_success_timestamp_seconds", Help: "When the configuration was last read with success.", Kind: telemetry.Gauge,
	}
	descRevision = &telemetry.Desc{
		Name: "foundation_config_info", Help: "1 for the revision of the configuration that is in force.", Kind: telemetry.Gauge, Labels: []string{"revision"},
	}
)

// Collect implements [telemetry.Source].
func (s *Server) Collect(emit func(telemetry.Sample)) {
	r, ok := s.reload.Load(), 1.0
	if r.err != nil {
		ok = 0
	}
	const milli = 1e3
	emit(telemetry.Sample{Desc: descReloadOK, Value: ok})
	emit(telemetry.Sample{Desc: descReloadTime, Value: float64(r.success.UnixMilli()) / milli})
	emit(telemetry.Sample{Desc: descRevision, Labels: []string{strconv.FormatUint(s.current.Load().Number, 10)}, Value: 1})
}
