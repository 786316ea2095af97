package cli

import (
	"context"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/elixirscope/foundation/internal/adminapi"
)

var logLevels = []string{"debug", "info", "warn", "error"}

func (a *app) logLevelCommand() *cobra.Command {
	var request adminapi.LogLevelRequest
	var lasting length
	cmd := &cobra.Command{
		Use: "log-level [LEVEL]", Short: "Show or change the level of the daemon's log", GroupID: groupAct, Args: cobra.MaximumNArgs(1),
		Long: "Show the level of the daemon's log or, with LEVEL, change it at once: debug, info, warn or error. " +
			"With --for it goes back by itself, and without it stays until it is changed again or the daemon restarts.",
		Example:           "  foundation log-level\n  foundation log-level debug --for 10m --reason 'who calls /pay/?'",
		ValidArgsFunction: cobra.FixedCompletions(logLevels, cobra.ShellCompDirectiveNoFileComp),
		RunE: a.run(func(ctx context.Context, args []string) error {
			var level adminapi.LogLevel
			if len(args) == 0 {
				if err := a.get(ctx, "/v1/log_level", &level); err != nil {
					return err
				}
				return a.print(level, func() error { a.say("%s", logLevelText(&level)); return nil })
			}
			if err := lasting.check(); err != nil {
				return err
			}
			request.Level, request.ForSeconds = args[0], lasting.Seconds()
			if err := a.send(ctx, http.MethodPut, "/v1/log_level", request, &level); err != nil {
				return err
			}
			return a.print(level, func() error { a.say("%s", logLevelText(&level)); return nil })
		}),
	}
	lasting.register(cmd, "when the level goes back by itself, as in 10m (default: it stays)")
	cmd.Flags().StringVar(&request.Reason, "reason", "", "why, for those who read the events later")
	return cmd
}

// logLevelText says in one line what is logged, and who wanted it.
func logLevelText(l *adminapi.LogLevel) string {
	text := "log level " + l.Level
	if l.Level == l.Configured {
		return text
	}
	text += " instead of " + l.Configured + ", by " + printable(l.Actor)
	if l.RemainingSeconds > 0 {
		text += ", for another " + seconds(l.RemainingSeconds)
	}
	if l.Reason != "" {
		text += ": " + printable(l.Reason)
	}
	return text
}
