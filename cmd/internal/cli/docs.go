package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// docsCommand writes the reference from the commands themselves, so that it
// cannot say anything else than they do. A test compares docs/cli.md with it.
func (a *app) docsCommand(root *cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: "docs", Short: "Write the reference", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		&cobra.Command{
			Use: "markdown", Short: "Write docs/cli.md to stdout", Args: cobra.NoArgs,
			RunE: a.run(func(context.Context, []string) error {
				_, err := fmt.Fprint(a.env.Stdout, Markdown(root))
				return err
			}),
		},
		&cobra.Command{
			Use: "man DIR", Short: "Write the manual pages to a directory", Args: takes("DIR"),
			RunE: a.run(func(_ context.Context, args []string) error { return writeManuals(root, args[0]) }),
		},
	)
	return cmd
}

// visible lists a command and those below it that users see, in order.
func visible(cmd *cobra.Command) []*cobra.Command {
	list := []*cobra.Command{cmd}
	for _, child := range cmd.Commands() {
		if child.IsAvailableCommand() && child.Name() != "help" {
			list = append(list, visible(child)...)
		}
	}
	return list
}

const docsHead = `# The command line

This page is written by ` + "`foundation docs markdown`" + ` from the commands themselves; a test fails when it is out of date.

Results go to stdout, everything else to stderr. ` + "`-o json`" + ` and ` + "`-o yaml`" + ` print every field under its wire name, see [admin-api.md](admin-api.md).

| Exit code | Meaning |
|---|---|
| 0 | done |
| 1 | the command ran and failed, or the answer is no |
| 2 | the command line, or the configuration file, cannot be used |
| 3 | no daemon answers at the address |

| Variable | Meaning |
|---|---|
| ` + "`FOUNDATION_ADDR`" + ` | address of the daemon's admin API, where ` + "`--addr`" + ` is not given |
| ` + "`FOUNDATION_CA_FILE`, `FOUNDATION_CERT_FILE`, `FOUNDATION_KEY_FILE`" + ` | files for TLS with the admin API, where ` + "`--ca-file`, `--cert-file`, `--key-file`" + ` are not given |
| ` + "`FOUNDATION_TOKEN`" + ` | bearer token for the admin API |
| ` + "`FOUNDATION_CONFIG`" + ` | configuration file of ` + "`serve`" + `, where ` + "`--config`" + ` is not given |
| ` + "`NO_COLOR`" + ` | set to anything: no colours on a terminal |
`

// Markdown returns the reference of root and all commands below it.
func Markdown(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString(docsHead)
	writeConnection(&b)
	for _, cmd := range visible(root) {
		fmt.Fprintf(&b, "\n## %s\n\n%s.\n", cmd.CommandPath(), strings.TrimSuffix(cmd.Short, "."))
		if cmd.Long != "" {
			fmt.Fprintf(&b, "\n%s\n", cmd.Long)
		}
		if cmd.Runnable() {
			fmt.Fprintf(&b, "\n```\n%s\n```\n", cmd.UseLine())
		}
		if cmd.Example != "" {
			fmt.Fprintf(&b, "\n```\n%s\n```\n", strings.ReplaceAll(strings.TrimSpace(cmd.Example), "\n  ", "\n"))
		}
		writeFlags(&b, cmd)
	}
	return b.String()
}

func writeFlags(b *strings.Builder, cmd *cobra.Command) {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	cmd.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
		if !isOfConnection(f) {
			flags.AddFlag(f)
		}
	})
	if connects(cmd) {
		b.WriteString("\nIt asks a daemon, and has the [flags of the connection](#flags-of-the-connection).\n")
	}
	if !flags.HasAvailableFlags() {
		return
	}
	b.WriteString("\n| Flag | Meaning |\n|---|---|\n")
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		fmt.Fprintf(b, "| `%s` | %s |\n", flagName(f), strings.ReplaceAll(f.Usage+defaultText(f), "|", "\\|"))
	})
}

// writeConnection describes the flags that many commands have, once.
func writeConnection(b *strings.Builder) {
	var where connection
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	where.register(flags)
	b.WriteString("\n## Flags of the connection\n\nCommands that ask a daemon have them; others do not.\n\n| Flag | Meaning |\n|---|---|\n")
	flags.VisitAll(func(f *pflag.Flag) { fmt.Fprintf(b, "| `%s` | %s |\n", flagName(f), f.Usage) })
}

func flagName(f *pflag.Flag) string {
	name := "--" + f.Name
	if f.Shorthand != "" {
		name = "-" + f.Shorthand + ", " + name
	}
	if f.Value.Type() != "bool" {
		name += " " + strings.ToUpper(f.Value.Type())
	}
	return name
}

func defaultText(f *pflag.Flag) string {
	switch f.DefValue {
	case "", "0", "0s", "false", "[]":
		return ""
	}
	return " (default " + f.DefValue + ")"
}

func writeManuals(root *cobra.Command, dir string) error {
	for _, cmd := range visible(root) {
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(Manual(cmd)), 0o644); err != nil { //nolint:gosec // manual pages are for everybody
			return fmt.Errorf("write the manual page: %w", err)
		}
	}
	return nil
}

// Manual returns the manual page of one command in roff.
func Manual(cmd *cobra.Command) string {
	var b strings.Builder
	title := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
	fmt.Fprintf(&b, ".TH %s 1 \"\" \"foundation\" \"User Commands\"\n", strings.ToUpper(roff(title)))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(title), roff(cmd.Short))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n%s\n", roff(cmd.UseLine()))
	if cmd.Long != "" {
		fmt.Fprintf(&b, ".SH DESCRIPTION\n%s\n", roff(cmd.Long))
	}
	manualFlags(&b, "OPTIONS", cmd.NonInheritedFlags())
	manualFlags(&b, "GLOBAL OPTIONS", cmd.InheritedFlags())
	if cmd.Example != "" {
		fmt.Fprintf(&b, ".SH EXAMPLES\n.nf\n%s\n.fi\n", roff(strings.TrimSpace(cmd.Example)))
	}
	manualLinks(&b, cmd)
	return b.String()
}

func manualFlags(b *strings.Builder, title string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	fmt.Fprintf(b, ".SH %s\n", title)
	flags.VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			fmt.Fprintf(b, ".TP\n\\fB%s\\fR\n%s\n", roff(flagName(f)), roff(f.Usage+defaultText(f)))
		}
	})
}

func manualLinks(b *strings.Builder, cmd *cobra.Command) {
	var links []string
	if cmd.HasParent() {
		links = append(links, strings.ReplaceAll(cmd.Parent().CommandPath(), " ", "-")+"(1)")
	}
	for _, child := range cmd.Commands() {
		if child.IsAvailableCommand() && child.Name() != "help" {
			links = append(links, strings.ReplaceAll(child.CommandPath(), " ", "-")+"(1)")
		}
	}
	if len(links) > 0 {
		fmt.Fprintf(b, ".SH SEE ALSO\n%s\n", roff(strings.Join(links, ", ")))
	}
}

// roff escapes what would be read as a command of the format.
func roff(text string) string {
	text = strings.ReplaceAll(text, `\`, `\e`)
	text = strings.ReplaceAll(text, "-", `\-`)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
