package foundation

import (
	"log/slog"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/telemetry"
)

// component names this package in its faults.
const component = "foundation"

// Options say what a layer is made of. The zero value opens an empty layer:
// nothing is read, listened on or started.
type Options struct {
	// ConfigFile is the path of the configuration file; [Foundation.Reload] reads it
	// again. Not together with Config.
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
	// Logger receives what an operator should know; nil discards it.
	Logger *slog.Logger
	// Kinds are the kinds of worker that pools may name.
	Kinds map[string]pool.Kind
	// Prepare, if set, has a say in every change of the configuration, the first
	// included, for sections that are not the layer's own, as the routes of the
	// daemon's gateway. It is called before anything is touched and does what can
	// fail. It returns an error, which refuses the change as a whole, or the function
	// that puts its part in force, which is called right after the layer's parts
	// changed; nil if there is nothing to do. Neither may change the layer.
	Prepare func(f *Foundation, cfg *config.Config) (commit func(), err error)
}

func (o Options) check() error {
	if o.ConfigFile != "" && o.Config != nil {
		return fault.New(fault.Spec{
			Code: fault.InvalidArgument, Component: component, Message: "set ConfigFile or Config, not both",
		})
	}
	return nil
}

// load reads the configuration that the options name, and says where from.
func (o Options) load() (*config.Config, error) {
	switch {
	case o.ConfigFile != "":
		return config.Load(o.ConfigFile, config.ParseOptions{LookupEnv: o.LookupEnv, Kinds: o.Kinds})
	case o.Config != nil:
		return o.Config, nil
	default:
		return &config.Config{}, nil
	}
}

// sourceInCode is the source of configurations that were made in Go.
const sourceInCode = "code"

func (o Options) source() string {
	if o.ConfigFile != "" {
		return o.ConfigFile
	}
	return sourceInCode
}
