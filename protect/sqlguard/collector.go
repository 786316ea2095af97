package sqlguard

import (
	"database/sql"

	"github.com/elixirscope/foundation/telemetry"
)

// The series of a database's own connection pool.
var (
	descConnections = telemetry.Desc{
		Name: "foundation_sql_connections", Help: "Open connections of the database handle by state.",
		Kind: telemetry.Gauge, Labels: []string{"db", "state"},
	}
	descMax = telemetry.Desc{
		Name: "foundation_sql_connections_max", Help: "Most connections that may be open; 0 means without bound.",
		Kind: telemetry.Gauge, Labels: []string{"db"},
	}
	descWaits = telemetry.Desc{
		Name: "foundation_sql_waits_total", Help: "Borrowers that had to wait for a connection.",
		Kind: telemetry.Counter, Labels: []string{"db"},
	}
	descWaitSeconds = telemetry.Desc{
		Name: "foundation_sql_wait_seconds_total", Help: "Time that borrowers spent waiting for a connection.",
		Kind: telemetry.Counter, Labels: []string{"db"},
	}
	descClosed = telemetry.Desc{
		Name: "foundation_sql_connections_closed_total", Help: "Connections closed by the handle's own limits.",
		Kind: telemetry.Counter, Labels: []string{"db", "reason"},
	}
)

// Collector measures the connection pool of a *sql.DB by what the handle says of
// itself. Make one with [NewCollector].
type Collector struct {
	name string
	db   *sql.DB
}

var _ telemetry.Source = Collector{}

// NewCollector returns a source of db's statistics; name becomes the label db
// and must come from configuration, not from traffic.
func NewCollector(name string, db *sql.DB) Collector { return Collector{name: name, db: db} }

// Collect implements [telemetry.Source].
func (c Collector) Collect(emit func(telemetry.Sample)) {
	st := c.db.Stats()
	one := func(d *telemetry.Desc, v float64, labels ...string) {
		emit(telemetry.Sample{Desc: d, Labels: append([]string{c.name}, labels...), Value: v})
	}
	one(&descConnections, float64(st.InUse), "in_use")
	one(&descConnections, float64(st.Idle), "idle")
	one(&descMax, float64(st.MaxOpenConnections))
	one(&descWaits, float64(st.WaitCount))
	one(&descWaitSeconds, st.WaitDuration.Seconds())
	one(&descClosed, float64(st.MaxIdleClosed), "max_idle")
	one(&descClosed, float64(st.MaxIdleTimeClosed), "max_idle_time")
	one(&descClosed, float64(st.MaxLifetimeClosed), "max_lifetime")
}
