package cli

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// columns is the width that help is written for.
const columns = 80

// ofConnection marks the flags that say where a daemon is.
const ofConnection = "foundation_connection"

// speaks gives commands that ask a daemon, with all below them, the flags that say where it
// is. Others do not have them: that they would be ignored is not to be found out by trying.
func (a *app) speaks(commands ...*cobra.Command) []*cobra.Command {
	for _, cmd := range commands {
		flags := pflag.NewFlagSet("", pflag.ContinueOnError)
		a.where.register(flags)
		flags.VisitAll(func(f *pflag.Flag) {
			f.Annotations = map[string][]string{ofConnection: nil}
			cmd.PersistentFlags().AddFlag(f)
		})
	}
	return commands
}

// connects reports whether a command has the flags of a connection.
func connects(cmd *cobra.Command) bool { return cmd.Flag("addr") != nil }

func isOfConnection(f *pflag.Flag) bool { _, is := f.Annotations[ofConnection]; return is }

// flagsOf is all flags of a command, of a connection or not.
func flagsOf(cmd *cobra.Command, connection bool) *pflag.FlagSet {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.SortFlags = false
	for _, all := range []*pflag.FlagSet{cmd.LocalFlags(), cmd.InheritedFlags()} {
		all.VisitAll(func(f *pflag.Flag) {
			if isOfConnection(f) == connection && !f.Hidden {
				flags.AddFlag(f)
			}
		})
	}
	return flags
}

// usageText is what --help writes below the description.
func usageText(cmd *cobra.Command) string {
	var b strings.Builder
	section := func(title, text string) {
		if text = strings.TrimRight(text, " \n"); text != "" {
			b.WriteString("\n" + title + "\n" + text + "\n")
		}
	}
	if cmd.Runnable() && !cmd.HasAvailableSubCommands() {
		section("Usage:", "  "+cmd.UseLine())
	} else {
		section("Usage:", "  "+cmd.CommandPath()+" COMMAND [flags]")
	}
	section("Aliases:", strings.Join(aliases(cmd), ", "))
	section("Examples:", cmd.Example)
	for _, group := range append(cmd.Groups(), &cobra.Group{Title: otherCommands(cmd)}) {
		section(group.Title, commandList(cmd, group.ID))
	}
	section("Flags:", flagsOf(cmd, false).FlagUsagesWrapped(columns))
	section("Flags of the connection:", flagsOf(cmd, true).FlagUsagesWrapped(columns))
	if cmd.HasAvailableSubCommands() {
		b.WriteString("\nUse '" + cmd.CommandPath() + " COMMAND --help' for more about a command.\n")
	}
	return strings.TrimPrefix(b.String(), "\n")
}

func otherCommands(cmd *cobra.Command) string {
	if len(cmd.Groups()) > 0 {
		return "More:"
	}
	return "Commands:"
}

func commandList(cmd *cobra.Command, group string) string {
	var b strings.Builder
	for _, child := range cmd.Commands() {
		if child.GroupID == group && (child.IsAvailableCommand() || child.Name() == "help") {
			b.WriteString("  " + child.Name() + strings.Repeat(" ", max(1, cmd.NamePadding()-len(child.Name())+1)) + child.Short + "\n")
		}
	}
	return b.String()
}

// aliases lists the other names of a command, each once.
func aliases(cmd *cobra.Command) []string {
	if len(cmd.Aliases) == 0 {
		return nil
	}
	return append([]string{"  " + cmd.Name()}, cmd.Aliases...)
}

// setHelp writes help for terminals of 80 columns.
func setHelp(root *cobra.Command) {
	root.SetUsageFunc(func(cmd *cobra.Command) error {
		_, err := cmd.OutOrStderr().Write([]byte(usageText(cmd)))
		return err
	})
	for _, cmd := range visible(root) {
		cmd.Long = reflowed(cmd.Long, columns)
	}
}

// reflowed breaks the lines of each paragraph anew. Lines that are indented, and headings,
// stay as they are.
func reflowed(text string, width int) string {
	var out []string
	line := ""
	flush := func() {
		if line != "" {
			out = append(out, line)
			line = ""
		}
	}
	for raw := range strings.SplitSeq(text, "\n") {
		if raw == "" || strings.ContainsAny(raw[:1], " \t#") {
			flush()
			out = append(out, raw)
			continue
		}
		for word := range strings.FieldsSeq(raw) {
			if line != "" && len([]rune(line))+1+len([]rune(word)) > width {
				flush()
			}
			if line != "" {
				line += " "
			}
			line += word
		}
	}
	flush()
	return strings.Join(out, "\n")
}
