package cli_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/elixirscope/foundation/cmd/internal/cli"
)

// runDetect runs detect over a text, as a file or as stdin.
func runDetect(t *testing.T, text string, args ...string) terminal {
	t.Helper()
	var out, errs strings.Builder
	code := cli.Run(t.Context(), cli.Env{
		Stdout: &out, Stderr: &errs, Stdin: strings.NewReader(text), Program: "foundation",
	}, append([]string{"detect", "-"}, args...))
	return terminal{out.String(), errs.String(), code}
}

// seriesCSV is a daily season of five-minute rows with a spike and a shift.
func seriesCSV(rows int) string {
	var b strings.Builder
	b.WriteString("timestamp,value\n")
	at := time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)
	for i := range rows {
		v := 100 + 10*math.Sin(2*math.Pi*float64(i)/288) + float64(i*7919%101)/50
		if i == rows/2 {
			v += 40
		}
		if i >= rows*3/4 && i < rows*3/4+50 {
			v += 25
		}
		fmt.Fprintf(&b, "%s,%.3f\n", at.Add(time.Duration(i)*5*time.Minute).Format("2006-01-02 15:04:05"), v)
	}
	return b.String()
}

func TestDetect_WritesTheSameRowsWithTwoColumnsMore(t *testing.T) {
	in := seriesCSV(2000)
	got := runDetect(t, in)
	if got.code != 0 || got.err != "" {
		t.Fatalf("exit %d, stderr %q", got.code, got.err)
	}
	rows, out := strings.Split(strings.TrimSpace(in), "\n"), strings.Split(strings.TrimSpace(got.out), "\n")
	if len(rows) != len(out) || out[0] != "timestamp,value,anomaly_score,alert" {
		t.Fatalf("%d rows, first %q, want %d", len(out), out[0], len(rows))
	}
	alerts := 0
	for i := 1; i < len(rows); i++ {
		rest, ok := strings.CutPrefix(out[i], rows[i]+",")
		var score float64
		var alert bool
		if _, err := fmt.Sscanf(strings.ReplaceAll(rest, ",", " "), "%g %t", &score, &alert); !ok || err != nil || score < 0 || score > 1 {
			t.Fatalf("row %d: %q, want %q with a score and an alert", i, out[i], rows[i])
		}
		at := i - 1
		if expected := at >= 1000 && at < 1020 || at >= 1500 && at < 1570; alert && !expected {
			t.Errorf("row %d is an alert", i)
		}
		if alert {
			alerts++
		}
		if at == 1000 && (!alert || score < 0.5) || at == 1504 && !alert {
			t.Errorf("row %d: %q, want an alert", i, out[i])
		}
	}
	if alerts < 10 {
		t.Errorf("%d rows are alerts, want the spike and the shift", alerts)
	}
}

// What is said of a row depends on the rows before it alone, in every form.
func TestDetect_DoesNotLookAhead(t *testing.T) {
	in := seriesCSV(2000)
	lines := strings.SplitAfter(in, "\n")
	for _, form := range []string{"csv", "json", "table"} {
		whole := strings.TrimSuffix(runDetect(t, in, "-o", form).out, "\n]\n")
		for _, n := range []int{2, 61, 500, 1001, 1002, 1500, 1999} {
			part := strings.TrimSuffix(runDetect(t, strings.Join(lines[:n], ""), "-o", form).out, "\n]\n")
			if !strings.HasPrefix(whole, part) || part == "" {
				t.Errorf("%s: the first %d rows alone give another output", form, n-1)
			}
		}
	}
}

func TestDetect_Forms(t *testing.T) {
	in := "value;when;host\n5,5;1;a\n2.5;1700000000;\"b\"\n-3e2;1700000060.5;c\n"
	args := []string{"--time", "WHEN"}
	if got, want := runDetect(t, in, args...), "value;when;host;anomaly_score;alert\n2.5;1700000000;\"b\";0.000000;false\n-3e2;1700000060.5;c;0.000000;false\n"; got.out != want {
		t.Errorf("csv:\n%s\nwant\n%s", got.out, want)
	}
	var rows []struct {
		Timestamp string
		Value     float64
		Score     float64 `json:"anomaly_score"`
		Alert     *bool
	}
	got := runDetect(t, in, append(args, "-o", "json")...)
	if err := json.Unmarshal([]byte(got.out), &rows); err != nil || len(rows) != 2 || rows[1].Timestamp != "1700000060.5" || rows[1].Value != -300 || rows[1].Alert == nil {
		t.Errorf("json: %v, %+v in\n%s", err, rows, got.out)
	}
	want := "TIMESTAMP                    VALUE  SCORE  ALERT\n" +
		"1700000000                     2.5  0.000  -\n" +
		"1700000060.5                  -300  0.000  -\n"
	if got := runDetect(t, in, append(args, "-o", "table")...); got.out != want {
		t.Errorf("table:\n%s\nwant\n%s", got.out, want)
	}
	if got, want := runDetect(t, "1700000000000,1\n").out, "timestamp,value,anomaly_score,alert\n1700000000000,1,0.000000,false\n"; got != want {
		t.Errorf("without a header:\n%s\nwant\n%s", got, want)
	}
}

const faulty = "timestamp,value\n" +
	"2026-01-01T00:00:00Z,1\n" +
	"2026-01-01T00:01:00Z,abc\n" +
	"2026-01-01T00:02:00Z,NaN\n" +
	"2026-01-01T00:03:00+01:00,5\n" +
	"2026-01-01T00:04:00Z,2\n" +
	"2026-01-01T00:04:00Z,2\n" +
	"2026-13-01T00:05:00Z,2\n" +
	"\n" +
	"2026-01-01T00:06:00Z\n" +
	"2026-01-01T00:07:00Z,\n" +
	"2026-01-01T00:08:00Z,3\n"

func TestDetect_LeavesOutWhatCannotBeJudged(t *testing.T) {
	got := runDetect(t, faulty)
	want := "line 3, column 22: \"abc\" is no number: row left out\n" +
		"line 4, column 22: \"NaN\" is not finite: row left out\n" +
		"line 5, column 1: the time 2026-01-01T00:03:00+01:00 is before that of the row before: row left out\n" +
		"line 7, column 1: the time 2026-01-01T00:04:00Z repeats: row left out\n" +
		"line 8, column 1: \"2026-13-01T00:05:00Z\" is no timestamp: row left out\n" +
		"line 10, column 21: 1 columns, want at least 2: row left out\n" +
		"line 11, column 22: \"\" is no number: row left out\n" +
		"Left out 7 of 10 rows: too few columns 1, no timestamp 1, no number 2, not finite 1, time repeats 1, time goes back 1.\n"
	if got.code != 0 || got.err != want {
		t.Errorf("exit %d, stderr\n%s\nwant\n%s", got.code, got.err, want)
	}
	if n := strings.Count(got.out, "\n"); n != 4 {
		t.Errorf("%d lines, want the header and three rows:\n%s", n, got.out)
	}
}

func TestDetect_ReportsTheFirstFaultsAndCountsTheRest(t *testing.T) {
	got := runDetect(t, "timestamp,value\n1,1\n"+strings.Repeat("2,x\n", 1000))
	if n := strings.Count(got.err, "\n"); n != 11 || !strings.Contains(got.err, "Left out 1000 of 1001 rows: no number 1000.") {
		t.Errorf("%d lines on stderr, want 10 and the number:\n%s", n, got.err)
	}
}

func TestDetect_StrictRefuses(t *testing.T) {
	gap := "timestamp,value\n10,1\n20,1\n30,1\n70,1\n80,1\n"
	for name, tt := range map[string]struct{ in, want string }{
		"number":   {faulty, `line 3, column 22: "abc" is no number`},
		"repeated": {"1,1\n1,1\n", "line 2, column 1: the time 1 repeats"},
		"gap":      {gap, "line 5: a gap of 40s, rows are usually 10s apart"},
	} {
		got := runDetect(t, tt.in, "--strict")
		if got.code != cli.ExitFailure || !strings.Contains(got.err, tt.want) {
			t.Errorf("%s: exit %d, %q, want %q", name, got.code, got.err, tt.want)
		}
	}
	if got := runDetect(t, gap); got.code != 0 || !strings.Contains(got.err, "a gap of 40s") || !strings.Contains(got.err, "Gaps: 1.") || strings.Count(got.out, "\n") != 6 {
		t.Errorf("a gap without --strict: exit %d, %q", got.code, got.err)
	}
}

func TestDetect_FilesThatAreNoSeries(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.csv")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		in   string
		args []string
		code int
		want string
	}{
		"gone":       {args: []string{filepath.Join(dir, "gone.csv")}, code: cli.ExitFailure, want: "gone.csv: no such file"},
		"directory":  {args: []string{dir}, code: cli.ExitFailure, want: "is a directory"},
		"empty":      {args: []string{empty}, code: cli.ExitFailure, want: "the series is empty"},
		"headeronly": {in: "timestamp,value\n", code: cli.ExitFailure, want: "the series is empty"},
		"columns":    {in: "a,b,c\n1,2,3\n", code: cli.ExitFailure, want: `no column timestamp: the first line has "a", "b", "c"`},
		"novalue":    {in: "timestamp,b,c\n1,2,3\n", code: cli.ExitFailure, want: `no column value`},
		"named":      {in: "timestamp,value\n1,2\n", args: []string{"-", "--value", "cpu"}, code: cli.ExitFailure, want: `no column cpu`},
		"none":       {in: "timestamp,value\nx,2\n", code: cli.ExitFailure, want: "none of the 1 rows can be judged: no timestamp 1"},
		"long":       {in: strings.Repeat("x", 2<<20), code: cli.ExitFailure, want: "read line 1: it is longer than"},
		"form":       {args: []string{"-", "-o", "xml"}, code: cli.ExitUsage, want: "csv, json, table"},
		"warm-up":    {args: []string{"-", "--warm-up", "0"}, code: cli.ExitUsage, want: "at least 1"},
		"file":       {args: []string{}, code: cli.ExitUsage, want: "FILE is missing"},
	} {
		var out, errs strings.Builder
		args := tt.args
		if args == nil {
			args = []string{"-"}
		}
		code := cli.Run(t.Context(), cli.Env{Stdout: &out, Stderr: &errs, Stdin: strings.NewReader(tt.in), Program: "foundation"}, append([]string{"detect"}, args...))
		if code != tt.code || !strings.Contains(errs.String(), tt.want) {
			t.Errorf("%s: exit %d, %q, want %d with %q", name, code, errs.String(), tt.code, tt.want)
		}
	}
}

// brokenWriter is a pipe whose reader has left.
type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestDetect_AnOutputThatFailsIsAnError(t *testing.T) {
	var errs strings.Builder
	code := cli.Run(t.Context(), cli.Env{Stdout: brokenWriter{}, Stderr: &errs, Stdin: strings.NewReader(seriesCSV(100)), Program: "foundation"}, []string{"detect", "-"})
	if code != cli.ExitFailure || !strings.Contains(errs.String(), "write the rows") {
		t.Errorf("exit %d, %q", code, errs.String())
	}
}
