package cli

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/elixirscope/foundation/internal/adminapi"
)

func (a *app) historyCommand() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use: "history", Short: "Show how the configuration has changed, newest first", Args: cobra.NoArgs,
		Long: "Show the changes of the configuration, those that were refused among them, newest first.",
		RunE: a.run(func(ctx context.Context, _ []string) error {
			if limit < 1 {
				return usage(errors.New("--limit must be at least 1"), "")
			}
			var list adminapi.List[adminapi.Revision]
			if err := a.get(ctx, "/v1/config/history?limit="+strconv.Itoa(limit), &list); err != nil {
				return err
			}
			return a.print(list, func() error { return a.show(historyTable(list.Items)) })
		}),
	}
	cmd.Flags().IntVarP(&limit, "limit", "n", 20, "how many of the newest are shown at most")
	return cmd
}

func historyTable(list []adminapi.Revision) *table {
	t := newTable(">REVISION", "TIME", "OUTCOME", "ACTOR", "SOURCE", "REASON", "CHANGES")
	for i := range list {
		r := &list[i]
		outcome := cell{"● " + r.Outcome, good}
		what := strings.Join(r.Changes[:min(len(r.Changes), shownDenied)], "; ")
		if more := len(r.Changes) - shownDenied; more > 0 {
			what += "; and " + strconv.Itoa(more) + " more"
		}
		if r.Outcome != "applied" {
			outcome = cell{"✗ " + r.Outcome, bad}
			what = strings.ReplaceAll(r.Error, "\n\t", "; ")
		}
		t.row(r.Revision, stamp(r.At), outcome, r.Actor, r.Source, r.Reason, what)
	}
	return t
}

func (a *app) revision(ctx context.Context, number string) (r adminapi.Revision, err error) {
	err = a.get(ctx, "/v1/config/history/"+url.PathEscape(number), &r)
	return r, err
}

func (a *app) showRevision(ctx context.Context, number string) error {
	r, err := a.revision(ctx, number)
	if err != nil {
		return err
	}
	return a.print(r, func() error {
		a.say("# revision %d from %s, %s\n%s", r.Revision, r.Source, stamp(r.At), r.YAML)
		return nil
	})
}

// Difference is the answer of config diff with two revisions.
type Difference struct {
	APIVersion string   `json:"api_version"`
	From       uint64   `json:"from"`
	To         uint64   `json:"to"`
	Lines      []string `json:"lines"` // begin with "-", "+" or a space
}

func (a *app) diffRevisions(ctx context.Context, from, to string) error {
	before, err := a.revision(ctx, from)
	if err != nil {
		return err
	}
	after, err := a.revision(ctx, to)
	if err != nil {
		return err
	}
	d := Difference{APIVersion: adminapi.Version, From: before.Revision, To: after.Revision, Lines: diffLines(lines(before.YAML), lines(after.YAML))}
	return a.print(d, func() error {
		a.say("--- revision %d, %s\n+++ revision %d, %s", before.Revision, stamp(before.At), after.Revision, stamp(after.At))
		for _, line := range d.Lines {
			a.say("%s", paint(line, map[byte]style{'-': bad, '+': good}[line[0]], a.colour()))
		}
		return nil
	})
}

func lines(text string) []string { return strings.Split(strings.TrimRight(text, "\n"), "\n") }

// diffLines compares two texts line by line. What they begin and end with alike is left
// out, so that the table of the rest stays small for a small change of a large document.
func diffLines(a, b []string) []string {
	start := 0
	for start < len(a) && start < len(b) && a[start] == b[start] {
		start++
	}
	tail := 0
	for tail < len(a)-start && tail < len(b)-start && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	from := max(0, start-3)
	out := marked(" ", a[from:start])
	out = append(out, changedLines(a[start:len(a)-tail], b[start:len(b)-tail])...)
	return append(out, marked(" ", a[len(a)-tail:min(len(a), len(a)-tail+3)])...)
}

func marked(mark string, lines []string) []string {
	out := make([]string, 0, len(lines))
	for _, line := range lines {
		out = append(out, mark+line)
	}
	return out
}

// mostCells bounds the table: beyond it the whole is shown as replaced.
const mostCells = 4 << 20

// changedLines finds the longest common subsequence.
func changedLines(a, b []string) []string {
	if len(a)*len(b) > mostCells {
		return append(marked("-", a), marked("+", b)...)
	}
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i, line := range slices.Backward(a) {
		for j := len(b) - 1; j >= 0; j-- {
			if common[i][j] = max(common[i+1][j], common[i][j+1]); line == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			}
		}
	}
	var out []string
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		switch {
		case a[i] == b[j]:
			out = append(out, " "+a[i])
			i, j = i+1, j+1
		case common[i+1][j] >= common[i][j+1]:
			out = append(out, "-"+a[i])
			i++
		default:
			out = append(out, "+"+b[j])
			j++
		}
	}
	return append(append(out, marked("-", a[i:])...), marked("+", b[j:])...)
}

func (a *app) rollbackCommand() *cobra.Command {
	var request adminapi.RollbackRequest
	cmd := &cobra.Command{
		Use: "rollback REVISION --reason TEXT", Short: "Put an earlier revision in force again, as a new one", Args: takes("REVISION"),
		Example: "  foundation config history\n  foundation config rollback 6 --reason 'the new limit was too low'",
		RunE: a.run(func(ctx context.Context, args []string) (err error) {
			if request.Revision, err = strconv.ParseUint(args[0], 10, 64); err != nil {
				return usage(errors.New("REVISION must be a number"), "'"+a.env.Program+" config history' lists them")
			}
			if request.Reason == "" {
				return usage(errors.New("a rollback needs a reason: whoever reads the history will ask"), "add --reason 'why'")
			}
			var applied adminapi.Applied
			if err := a.send(ctx, http.MethodPost, "/v1/config/rollback", request, &applied); err != nil {
				return err
			}
			return a.print(applied, func() error { return a.showApplied(applied) })
		}),
	}
	cmd.Flags().StringVar(&request.Reason, "reason", "", "why, for those who read the history later")
	return cmd
}
