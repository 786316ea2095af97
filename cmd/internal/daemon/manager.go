package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/elixirscope/foundation/cmd/internal/sdnotify"
	"github.com/elixirscope/foundation/health"
	"github.com/elixirscope/foundation/supervise"
)

// tellManager keeps the service manager informed, if there is one.
func (d *Daemon) tellManager() {
	if d.options.Manager == nil {
		return
	}
	d.options.Manager.Ready(d.summary())
	err := d.layer.Supervise("systemd", supervise.Func(func(ctx context.Context) error {
		return d.options.Manager.Serve(ctx, sdnotify.Health{NotLive: d.notLive, Status: d.summary, Log: d.log})
	}))
	if err != nil {
		d.log.Error("the service manager is told nothing", slog.Any("error", err))
	}
}

// notLive says why the process should be started anew. It takes every lock that a request
// or an operator could wait for, and so does not return while one of them is held for ever.
// It makes no connection: a flood or a lack of descriptors is no reason to restart.
func (d *Daemon) notLive() string {
	d.layer.Status()
	d.gateway.Routes()
	return strings.Join(d.layer.Health().Report().NotLive, ", ")
}

// maxCauses is how many names the status line has.
const maxCauses = 3

// summary is the daemon in one line, as systemctl status shows it. It has names and no
// texts: others than the operators may read it.
func (d *Daemon) summary() string {
	r := d.layer.Health().Report()
	line := fmt.Sprintf("revision %d, health %v, score %d", d.layer.Config().Current().Number, r.Status, r.Score)
	if d.draining.Load() {
		line = "draining, " + line
	}
	var causes []string
	for _, c := range r.Components {
		if c.Status != health.Pass && !c.Impacted {
			causes = append(causes, c.Name)
		}
	}
	if more := len(causes) - maxCauses; more > 0 {
		causes = append(causes[:maxCauses], fmt.Sprintf("%d more", more))
	}
	if len(causes) > 0 {
		line += ": " + strings.Join(causes, ", ")
	}
	return line
}

// afterReload is the summary with what came of a reload.
func (d *Daemon) afterReload(err error) string {
	if err != nil {
		return "the configuration is refused, see 'foundation status'; " + d.summary()
	}
	return d.summary()
}
