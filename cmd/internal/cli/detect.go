package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/elixirscope/foundation/perf"
)

var detectOutputs = []string{"csv", "json", "table"}

// detectOptions are the flags of detect.
type detectOptions struct {
	form                    string
	timeColumn, valueColumn string
	warmUp                  int
	strict                  bool
}

func (a *app) detectCommand() *cobra.Command {
	var o detectOptions
	cmd := &cobra.Command{
		Use: "detect FILE", Short: "Find what is unusual in a series of numbers", GroupID: groupLook, Args: takes("FILE"),
		Long: "Read a CSV file of timestamps and values (- is stdin) and write the same rows with two\n" +
			"more columns: anomaly_score, from 0 to 1, and alert, which is true from the row that\n" +
			"raises an alert to the row that ends it. Every row is judged by the rows before it\n" +
			"alone, as a daemon would, and the first ones are not judged at all.\n\n" +
			"Timestamps are RFC 3339, as in 2026-01-31T12:00:00Z, without a zone (UTC), as in\n" +
			"2026-01-31 12:00:00, or Unix seconds or milliseconds. Columns are found by the names in\n" +
			"the first row, or are the first two if it has none.\n\n" +
			"Rows that cannot be judged (no number, NaN, a time that repeats or goes back) are\n" +
			"reported with line and column and left out. With --strict the first of them, or a gap,\n" +
			"ends the command.",
		Example: "  foundation detect latency.csv\n  foundation detect latency.csv -o table\n  foundation detect - -o json < latency.csv",
		RunE:    a.run(func(_ context.Context, args []string) error { return a.detect(args[0], &o) }),
	}
	flags := cmd.Flags()
	flags.StringVarP(&o.form, "output", "o", "csv", "form of the output: csv, json or table")
	flags.StringVar(&o.timeColumn, "time", "", "name of the column of timestamps, if it is not timestamp or time")
	flags.StringVar(&o.valueColumn, "value", "", "name of the column of values, if it is not value")
	flags.IntVar(&o.warmUp, "warm-up", 60, "how many rows are learned from before one is judged")
	flags.BoolVar(&o.strict, "strict", false, "refuse the file at the first row that cannot be judged, or gap")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(detectOutputs, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (a *app) detect(file string, o *detectOptions) error {
	if !slices.Contains(detectOutputs, o.form) {
		return usage(fmt.Errorf("%q is no form of output: use one of %s", o.form, strings.Join(detectOutputs, ", ")), "")
	}
	if o.warmUp < 1 {
		return usage(errors.New("--warm-up must be at least 1"), "")
	}
	a.output = o.form // of an error, too
	in, err := a.openSeries(file)
	if err != nil {
		return failed(err)
	}
	defer func() { _ = in.Close() }() // it was only read
	rows := newSeriesReader(in, o)
	out := bufio.NewWriterSize(a.env.Stdout, 64<<10)
	err = a.judgeRows(rows, newSeriesWriter(o.form, out), out, o)
	if flushed := out.Flush(); err == nil && flushed != nil {
		err = fmt.Errorf("write the rows: %w", flushed)
	}
	if err != nil {
		return failed(err)
	}
	for _, line := range rows.summary() {
		fmt.Fprintln(a.env.Stderr, line)
	}
	return nil
}

// openSeries opens a file, or stdin.
func (a *app) openSeries(file string) (io.ReadCloser, error) {
	if file != "-" {
		in, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("read the series: %w", err)
		}
		return in, nil
	}
	if a.env.Stdin == nil {
		return io.NopCloser(strings.NewReader("")), nil
	}
	return io.NopCloser(a.env.Stdin), nil
}

// judgeRows writes every row as soon as it is judged. What comes slowly, as from a pipe, is
// written before it is waited for more.
func (a *app) judgeRows(rows *seriesReader, w seriesWriter, out *bufio.Writer, o *detectOptions) error {
	d := perf.NewDetector(perf.DetectorConfig{WarmUp: o.warmUp})
	begun := false
	for {
		if rows.drained() {
			if err := out.Flush(); err != nil {
				return fmt.Errorf("write the rows: %w", err)
			}
		}
		row, err := rows.next(a.env.Stderr)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			if begun {
				w.end()
			}
			return err
		}
		if !begun {
			w.begin(rows)
			begun = true
		}
		j := d.Observe(row.at, row.value)
		w.write(row, &j)
	}
	if !begun {
		return rows.nothing()
	}
	w.end()
	return nil
}
