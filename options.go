package foundation

import (
	"context"
	"log/slog"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/health"
	"github.com/elixirscope/foundation/memory"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/ratelimit/shared"
	"github.com/elixirscope/foundation/telemetry"
)

// Options say what a layer is made of. The zero value opens an empty layer:
// nothing is read, listened on or started.
type Options struct {
	// ConfigFile is the path of the configuration file; [config.Server.Reload] reads
	// it again. Not together with Config.
	ConfigFile string
	// Config is the configuration in Go. It belongs to the layer from then on.
	Config *config.Config
	// LookupEnv finds the variables that the file names; nil refuses files that name
	// any. Programs pass os.LookupEnv: the library itself never looks at the
	// environment.
	LookupEnv func(name string) (string, bool)
	// Bus receives the events of all parts. Nil: a bus of the layer's own, see
	// [Foundation.Bus].
	Bus *telemetry.Bus
	// Logger receives what an operator should know: one line when a part comes into another
	// state, with its cause and numbers, and for each change of the configuration; none for a
	// call. The handlers of a bus see these edges, too. Nil discards it.
	Logger *slog.Logger
	// Kinds are the kinds of worker that pools may name.
	Kinds map[string]pool.Kind
	// Stores open the storage that the configuration names: "path" for a directory and
	// "postgres" for a connection string. Where they are not nil the layer records events
	// in memory also if the configuration names no storage.
	Stores map[string]Store
	// Shared opens the store of the rate limits with scope shared, where the section "shared" of the
	// configuration names one. The library itself links no client: package adapters/redis has a store, which
	// also takes a client of the program's own. Nil refuses the section.
	Shared OpenShared
	// Instance completes what the other processes that share the store are told of this one: the address
	// of its admin API, the version of the program, its verdict. It is called every two seconds, and
	// must not block. Nil leaves what the layer knows by itself.
	Instance func(*shared.Instance)
	// Checks are the kinds of check that the configuration may name, beside "tcp" and "sql",
	// which are always there.
	Checks map[string]health.Kind
	// Monitors runs each monitor with its defaults where the configuration leaves its
	// section out: memory, health. With false a section that is written runs, if only as {}. Off
	// in the configuration is off in either case.
	Monitors bool
	// Cleaners are what the program can give up when memory is short, beside what the layer
	// can by itself.
	Cleaners []memory.Cleaner
	// Webhook sends an alert to the URL that the configuration names as performance.webhook:
	// by POST, as JSON. It must return when its context ends; an error is tried again. The
	// library itself links no HTTP client.
	Webhook func(ctx context.Context, url string, body []byte) error
	// Node tells in events where they happened; empty leaves that out.
	Node string
	// Sections are sections of the configuration that are not the layer's own, as the
	// routes of a gateway.
	Sections []config.Section
}

func (o Options) check() error {
	if o.ConfigFile != "" && o.Config != nil {
		return fault.New(fault.Spec{
			Code: fault.InvalidArgument, Component: component, Message: "set ConfigFile or Config, not both",
		})
	}
	return nil
}
