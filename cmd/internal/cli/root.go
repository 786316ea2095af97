package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/elixirscope/foundation/internal/adminapi"
)

// The environment variables that the program reads; docs/cli.md lists them.
const (
	envAddr   = "FOUNDATION_ADDR"
	envToken  = "FOUNDATION_TOKEN"
	envConfig = "FOUNDATION_CONFIG"
	envCA     = "FOUNDATION_CA_FILE"
	envCert   = "FOUNDATION_CERT_FILE"
	envKey    = "FOUNDATION_KEY_FILE"
)

const rootLong = `foundation guards every call to something that can fail or be exhausted.

It runs as a gateway in front of any HTTP service and refuses, limits and
explains; the same layer is a Go library. Start with 'foundation quickstart'.`

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use: "foundation", Short: "Guard every call to something that can fail or be exhausted", Long: rootLong,
		Version: ThisBuild().line(), SilenceErrors: true, SilenceUsage: true, CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: false},
		PersistentPreRunE: func(*cobra.Command, []string) error { return a.checkOutput() },
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetOut(a.env.Stdout)
	root.SetErr(a.env.Stderr)
	flags := root.PersistentFlags()
	flags.StringVarP(&a.output, "output", "o", outputTable, "form of the output: table, json or yaml")
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(outputs, cobra.ShellCompDirectiveNoFileComp))
	root.AddGroup(&cobra.Group{ID: groupRun, Title: "Run:"}, &cobra.Group{ID: groupLook, Title: "Look:"}, &cobra.Group{ID: groupAct, Title: "Act:"})
	root.AddCommand(
		a.quickstartCommand(), a.serveCommand(), a.configCommand(), a.storageCommand(), a.detectCommand(), a.versionCommand(), a.docsCommand(root),
	)
	root.AddCommand(a.speaks(
		a.healthcheckCommand(),
		a.statusCommand(), a.topCommand(), a.whyCommand(), a.getCommand(), a.alertsCommand(), a.eventsCommand(), a.checkCommand(), a.bundleCommand(),
		a.breakerCommand(), a.rateLimitCommand(), a.serviceCommand(), a.memoryCommand(), a.reloadCommand(), a.logLevelCommand(),
	)...)
	setHelp(root)
	return root
}

const (
	groupRun  = "run"
	groupLook = "look"
	groupAct  = "act"
)

const outputTable = "table"

var outputs = []string{outputTable, "json", "yaml"}

func (a *app) checkOutput() error {
	if slices.Contains(outputs, a.output) {
		return nil
	}
	return fmt.Errorf("unknown output format %q: use one of %s", a.output, strings.Join(outputs, ", "))
}

// get reads path from the daemon.
func (a *app) get(ctx context.Context, path string, out any) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	return a.explain(client.Get(ctx, path, out))
}

// send changes something in the daemon.
func (a *app) send(ctx context.Context, method, path string, in, out any) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	return a.explain(client.Send(ctx, method, path, in, out))
}

func (a *app) explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, adminapi.ErrWantsTLS):
		return &exitError{code: ExitUnreachable, err: err, fix: "address it with https:// in --addr or $" + envAddr + ", or name its authority with --ca-file or $" + envCA}
	case errors.Is(err, adminapi.ErrUnreachable):
		if fix := distrusted(err); fix != "" {
			return &exitError{code: ExitUnreachable, err: err, fix: fix}
		}
		return &exitError{
			code: ExitUnreachable, err: err,
			fix: "start one with '" + a.env.Program + " serve' or '" + a.env.Program + " quickstart', or name it with --addr or $" + envAddr,
		}
	}
	return failed(err)
}
