package cli

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/elixirscope/foundation/internal/adminapi"
)

// version is set by the linker for releases (-X …/cli.version=v1.2.3).
var version = ""

// Build describes the program that runs.
type Build struct {
	APIVersion string `json:"api_version"`
	Version    string `json:"version"`
	Revision   string `json:"revision"`
	Modified   bool   `json:"modified"`
	GoVersion  string `json:"go_version"`
	Platform   string `json:"platform"`
}

// ThisBuild returns what the linker, or else the toolchain, noted.
func ThisBuild() Build {
	b := Build{APIVersion: adminapi.Version, Version: version, GoVersion: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if b.Version == "" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

func (b Build) line() string { return "foundation " + b.Version + " " + b.GoVersion + " " + b.Platform }

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Show which build this is", Args: cobra.NoArgs,
		RunE: a.run(func(context.Context, []string) error {
			b := ThisBuild()
			return a.print(b, func() error {
				a.say("%s", b.line())
				return nil
			})
		}),
	}
}

func (a *app) reloadCommand() *cobra.Command {
	var request adminapi.ReloadRequest
	cmd := &cobra.Command{
		Use: "reload", Short: "Make the daemon read its configuration file again", GroupID: groupAct, Args: cobra.NoArgs,
		Long: "Make the daemon read its configuration file again. A faulty file changes nothing\nand its faults are reported; parts whose names stay keep their state. What was changed\n" +
			"through the API stays if the file says what it said before; --discard-drift gives it up.",
		RunE: a.run(func(ctx context.Context, _ []string) error {
			var applied adminapi.Applied
			if err := a.send(ctx, http.MethodPost, "/v1/reload", request, &applied); err != nil {
				return err
			}
			return a.print(applied, func() error { return a.showApplied(applied) })
		}),
	}
	cmd.Flags().BoolVar(&request.DiscardDrift, "discard-drift", false, "put in force what the file says even if it has not changed")
	cmd.Flags().StringVar(&request.Reason, "reason", "", "why, for those who read the history later")
	return cmd
}

func (a *app) showApplied(applied adminapi.Applied) error {
	for _, w := range applied.Warnings {
		fmt.Fprintln(a.env.Stderr, w.String())
	}
	if len(applied.Changes) == 0 {
		a.say("nothing differs: revision %d stays", applied.Revision)
		return nil
	}
	if !applied.DryRun {
		a.say("revision %d is in use", applied.Revision)
	}
	t := newTable("CHANGE", "PATH", "BEFORE", "AFTER", "EFFECT")
	for i := range applied.Changes {
		changeRows(t, &applied.Changes[i])
	}
	return a.show(t)
}

// changeRows adds a line for each setting, with what happens to the part on the first.
func changeRows(t *table, c *adminapi.Change) {
	if len(c.Fields) == 0 {
		t.row(c.Action, adminapi.PartPath(c.Section, c.Name), "", "", c.Effect)
	}
	action, effect := c.Action, c.Effect
	for _, f := range c.Fields {
		if f.Old == f.New {
			t.row(action, f.Path, f.Old, "another value", effect)
		} else {
			t.row(action, f.Path, cmp.Or(f.Old, "default"), cmp.Or(f.New, "default"), effect)
		}
		action, effect = "", ""
	}
}

func (a *app) healthcheckCommand() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use: "healthcheck", Short: "Ask a daemon whether it is ready; for containers", GroupID: groupRun, Args: cobra.NoArgs,
		Long: "Ask a probe of the daemon at --addr, which may be its admin or its probes listener.\nThe exit code is 0 if the answer is yes and 1 otherwise.",
		RunE: a.run(func(ctx context.Context, _ []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			if err := client.Get(ctx, "/"+path, nil); err != nil {
				return failed(err)
			}
			return nil
		}),
	}
	cmd.Flags().StringVar(&path, "probe", "readyz", "the probe to ask: livez, readyz, startupz, healthz or healthz/GROUP")
	_ = cmd.RegisterFlagCompletionFunc("probe", cobra.FixedCompletions([]string{"livez", "readyz", "startupz", "healthz"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}
