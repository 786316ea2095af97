package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/internal/adminapi"
)

func (a *app) configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "config", Short: "Check, show, compare and change configurations", GroupID: groupAct, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.validateCommand(), a.schemaCommand())
	cmd.AddCommand(a.speaks(
		a.configStatusCommand(), a.showConfigCommand(), a.diffCommand(), a.applyCommand(), a.historyCommand(), a.rollbackCommand(),
	)...)
	return cmd
}

func (a *app) showConfigCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show [REVISION]", Short: "Show the configuration that the daemon runs, or ran", Args: cobra.MaximumNArgs(1),
		Long: "Show the configuration that the daemon runs or, with REVISION, one that it ran, variables\nas they were written and secrets hidden.",
		RunE: a.run(func(ctx context.Context, args []string) error {
			if len(args) == 1 {
				return a.showRevision(ctx, args[0])
			}
			var c adminapi.Config
			if err := a.get(ctx, "/v1/config", &c); err != nil {
				return err
			}
			return a.print(c, func() error {
				a.say("# revision %d from %s, in use since %s\n%s", c.Revision, c.Source, stamp(c.AppliedAt), c.YAML)
				return nil
			})
		}),
	}
}

func (a *app) configStatusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show which configuration runs, and what is wrong with the file", Args: cobra.NoArgs,
		Long: "Show which revision runs and since when, whether it is what the file says, and how the\nfile was read last: if it was refused, every fault with its line. Nothing is changed.",
		RunE: a.run(func(ctx context.Context, _ []string) error {
			var s adminapi.ConfigState
			if err := a.get(ctx, "/v1/config/status", &s); err != nil {
				return err
			}
			return a.print(s, func() error { a.showConfigStatus(&s.ConfigStatus); return nil })
		}),
	}
}

func (a *app) showConfigStatus(s *adminapi.ConfigStatus) {
	a.say("revision %d from %s, in use since %s", s.Revision, s.Source, stamp(s.AppliedAt))
	if s.Drifted {
		a.say("It is not what the file said when it was read last: 'foundation config history' lists the changes.")
	}
	if s.Pending > 0 {
		a.say("Revision %d was made through the API before and is not in force: 'foundation config show %d' shows it.", s.Pending, s.Pending)
	}
	if s.Attention != "" {
		a.say("%s", printable(s.Attention))
	}
	if s.LastReloadSuccessful {
		a.say("The file was read last %s, without a fault.", stamp(s.LastReloadAt))
		return
	}
	a.say("The file was read last %s and refused; it was read without a fault last %s.", stamp(s.LastReloadAt), stamp(s.LastReloadSuccessAt))
	a.say("\n%s", printableLines(strings.TrimRight(problemText(s.LastReloadProblems, s.LastReloadError), "\n")))
}

func (a *app) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Write the JSON Schema of the configuration file, for editors", Args: cobra.NoArgs,
		RunE: a.run(func(context.Context, []string) error {
			schema, err := config.JSONSchema(registry())
			if err != nil {
				return err
			}
			_, err = a.env.Stdout.Write(schema)
			return err
		}),
	}
}
