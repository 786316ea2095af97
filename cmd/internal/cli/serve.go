package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/elixirscope/foundation/cmd/internal/daemon"
	"github.com/elixirscope/foundation/cmd/internal/logs"
	"github.com/elixirscope/foundation/cmd/internal/quickstart"
	"github.com/elixirscope/foundation/cmd/internal/sdnotify"
	"github.com/elixirscope/foundation/fault"
)

// defaultConfig is where a configuration is looked for last.
const defaultConfig = "./foundation.yaml"

func (a *app) serveCommand() *cobra.Command {
	var file string
	var flags logFlags
	cmd := &cobra.Command{
		Use: "serve [--config FILE]", Short: "Run the daemon: gateway, admin API and probes", GroupID: groupRun, Args: cobra.NoArgs,
		Long: "Run the daemon until SIGTERM, and then drain it; a second SIGTERM ends it at once.\n" +
			"The configuration is --config, else $" + envConfig + ", else " + defaultConfig + ".\n" +
			"SIGHUP and every change of the file reload it; a faulty file changes nothing.\n" +
			"Where NOTIFY_SOCKET is set, systemd is told of start, reloads and stop, and its watchdog is pinged.",
		RunE: a.run(func(ctx context.Context, _ []string) error {
			path, err := a.configFile(file)
			if err != nil {
				return err
			}
			log, level, err := a.logger(flags)
			if err != nil {
				return err
			}
			return a.serve(ctx, path, log, level)
		}),
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "configuration file")
	flags.register(cmd)
	return cmd
}

// configFile finds the configuration, or says where it was looked for.
func (a *app) configFile(flag string) (string, error) {
	if flag != "" {
		return flag, nil
	}
	if path := a.env.getenv(envConfig); path != "" {
		return path, nil
	}
	if _, err := os.Stat(defaultConfig); err == nil {
		return defaultConfig, nil
	}
	return "", usage(
		fmt.Errorf("no configuration: neither --config nor $%s is set, and there is no %s", envConfig, defaultConfig),
		"'"+a.env.Program+" quickstart' runs without one and shows what one looks like")
}

func (a *app) serve(ctx context.Context, path string, log *slog.Logger, level *slog.LevelVar) error {
	if a.env.getenv("GOGC") == "" { // who sets it has decided; so has GOMEMLIMIT, which goes before
		restore := startCollector()
		defer restore()
	}
	if a.env.IgnorePipes != nil {
		a.env.IgnorePipes()
	}
	restore := captureStandardLog(log)
	defer restore()
	hangups, stop := a.hangups()
	defer stop()
	manager, err := sdnotify.New(a.env.LookupEnv)
	if err != nil {
		log.Warn("the watchdog of the service manager is not served", slog.String("error", err.Error()))
	}
	err = daemon.Run(ctx, daemon.Options{
		ConfigFile: path, LookupEnv: a.env.LookupEnv, Log: log, LogLevel: level, LogDropped: a.logs.Dropped, Kinds: workerKinds(), Build: buildName(), Manager: manager,
	}, hangups, nil)
	return startError(err)
}

// captureStandardLog takes over what the standard library writes to its own
// logger, as the transport does of an upstream that talks out of turn. It would go
// to stderr directly, and so would wait for its reader.
func captureStandardLog(log *slog.Logger) (restore func()) {
	out, flags := stdlog.Writer(), stdlog.Flags()
	stdlog.SetOutput(slog.NewLogLogger(log.Handler(), slog.LevelWarn).Writer())
	stdlog.SetFlags(0)
	return func() {
		stdlog.SetOutput(out)
		stdlog.SetFlags(flags)
	}
}

func (a *app) hangups() (<-chan os.Signal, func()) {
	if a.env.Hangups == nil {
		return nil, func() {}
	}
	return a.env.Hangups()
}

// startError tells a configuration that cannot be used from a start that failed.
func startError(err error) error {
	if errors.Is(err, fault.InvalidConfig) {
		return usage(err, "fix the file; 'foundation config validate FILE' checks it without starting")
	}
	return err
}

func buildName() string { return strings.TrimSpace("foundation " + ThisBuild().Version) }

// logFlags choose what is logged, and how.
type logFlags struct{ level, format string }

func (l *logFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&l.level, "log-level", "info", "least level that is logged: debug, info, warn or error")
	cmd.Flags().StringVar(&l.format, "log-format", "json", "form of the log on stderr: json or text")
	_ = cmd.RegisterFlagCompletionFunc("log-level", cobra.FixedCompletions([]string{"debug", "info", "warn", "error"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("log-format", cobra.FixedCompletions([]string{"json", "text"}, cobra.ShellCompDirectiveNoFileComp))
}

// logger starts the log on stderr. From now on all that is written there goes
// through its queue, so that what is reported at the end stands after it.
func (a *app) logger(l logFlags) (*slog.Logger, *slog.LevelVar, error) {
	level := new(slog.LevelVar)
	if err := level.UnmarshalText([]byte(l.level)); err != nil {
		return nil, nil, usage(fmt.Errorf("--log-level %q is none of debug, info, warn, error", l.level), "")
	}
	switch l.format {
	case "json":
		a.logs = logs.NewQueue(a.env.Stderr, func(w io.Writer) slog.Handler { return logs.JSON(w, level) })
	case "text":
		a.logs = logs.NewQueue(a.env.Stderr, func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}) })
	default:
		return nil, nil, usage(fmt.Errorf("--log-format %q is neither json nor text", l.format), "")
	}
	a.env.Stderr = a.logs
	return slog.New(a.logs.Handler()), level, nil
}

// flushTime is how long the end of the process waits for a reader of stderr.
const flushTime = time.Second

// flush writes what the log still holds. Of lines that nobody takes in time nobody
// can be told.
func (a *app) flush() {
	if a.logs != nil {
		a.logs.Close(flushTime)
	}
}

func (a *app) quickstartCommand() *cobra.Command {
	var upstream string
	cmd := &cobra.Command{
		Use: "quickstart [--upstream URL]", Short: "Run a gateway at once, with something to try", GroupID: groupRun, Args: cobra.NoArgs,
		Long: "Run a gateway with a rate limit and a circuit breaker in front of a sample service\n" +
			"whose failures you switch on and off, or in front of your own. Ports are free\n" +
			"ones, nothing is left behind, and what to try next is printed.",
		Example: "  foundation quickstart\n  foundation quickstart --upstream http://127.0.0.1:3000",
		RunE: a.run(func(ctx context.Context, _ []string) error {
			if err := checkUpstream(upstream); err != nil {
				return err
			}
			return startError(quickstart.Run(ctx, quickstart.Options{
				Upstream: upstream, Out: a.env.Stdout, Program: a.env.Program, Build: buildName(), LookupEnv: a.env.LookupEnv,
				Bold: func(s string) string { return paint(s, bold, a.colour()) },
			}))
		}),
	}
	cmd.Flags().StringVar(&upstream, "upstream", "", "URL of your own service instead of the sample one, as in http://127.0.0.1:3000")
	return cmd
}

// checkUpstream explains at the flag what the configuration, which nobody has written, would
// refuse.
func checkUpstream(upstream string) error {
	if upstream == "" {
		return nil
	}
	u, err := url.Parse(upstream)
	switch {
	case err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "":
		return nil
	case !strings.Contains(upstream, "://"):
		return usage(fmt.Errorf("--upstream %s has no scheme", upstream), "--upstream http://"+upstream)
	}
	return usage(fmt.Errorf("--upstream %s is not an http or https URL with a host", upstream), "--upstream http://127.0.0.1:3000")
}
