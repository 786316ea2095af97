package cli

import (
	"bufio"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/elixirscope/foundation/perf"
)

// seriesWriter writes judged rows. Its writer keeps the first error, which flushing reports.
type seriesWriter interface {
	begin(*seriesReader)
	write(*seriesRow, *perf.Judgement)
	end()
}

func newSeriesWriter(form string, out *bufio.Writer) seriesWriter {
	switch form {
	case "json":
		return &jsonRows{out: out}
	case "table":
		return &tableRows{out: out}
	default:
		return &csvRows{out: out}
	}
}

const scoreDigits = 6

// csvRows writes every row as it stands in the file, with two columns more.
type csvRows struct {
	out       *bufio.Writer
	buf       []byte
	separator byte
}

func (w *csvRows) begin(rows *seriesReader) {
	w.separator = rows.separator
	names := []string{"anomaly_score", "alert"}
	if rows.header != nil {
		_, _ = w.out.Write(rows.header)
	} else {
		names = append([]string{"value"}, names...)
		_, _ = w.out.WriteString("timestamp")
		for n := len(rows.fields); n > 2; n-- {
			names = append([]string{names[0], ""}, names[1:]...) // columns without a name keep their place
		}
	}
	for _, name := range names {
		w.buf = append(append(w.buf, w.separator), name...)
	}
	w.buf = append(w.buf, '\n')
}

func (w *csvRows) write(row *seriesRow, j *perf.Judgement) {
	w.buf = append(w.buf, row.text...)
	w.buf = append(w.buf, w.separator)
	w.buf = strconv.AppendFloat(w.buf, j.Score, 'f', scoreDigits, 64)
	w.buf = append(w.buf, w.separator)
	w.buf = strconv.AppendBool(w.buf, j.Alert)
	w.buf = append(w.buf, '\n')
	_, _ = w.out.Write(w.buf)
	w.buf = w.buf[:0]
}

func (w *csvRows) end() {}

// jsonRows writes one array, a row on each line.
type jsonRows struct {
	out  *bufio.Writer
	buf  []byte
	rows int
}

func (w *jsonRows) begin(*seriesReader) { w.buf = append(w.buf, '[') }

func (w *jsonRows) write(row *seriesRow, j *perf.Judgement) {
	if w.rows++; w.rows > 1 {
		w.buf = append(w.buf, ',')
	}
	w.buf = append(w.buf, "\n{\"timestamp\":"...)
	stamp, _ := json.Marshal(string(row.stamp)) // a string cannot fail
	w.buf = append(w.buf, stamp...)
	w.buf = append(w.buf, ",\"value\":"...)
	w.buf = appendJSON(w.buf, row.value)
	w.buf = append(w.buf, ",\"anomaly_score\":"...)
	w.buf = strconv.AppendFloat(w.buf, j.Score, 'f', scoreDigits, 64)
	w.buf = append(w.buf, ",\"alert\":"...)
	w.buf = strconv.AppendBool(w.buf, j.Alert)
	w.buf = append(w.buf, '}')
	_, _ = w.out.Write(w.buf)
	w.buf = w.buf[:0]
}

// appendJSON writes a finite number; the shortest form of 'g' is a JSON number.
func appendJSON(buf []byte, v float64) []byte { return strconv.AppendFloat(buf, v, 'g', -1, 64) }

func (w *jsonRows) end() { _, _ = w.out.WriteString("\n]\n") }

// tableRows writes columns whose width the first row decides: those to come are not known.
type tableRows struct {
	out   *bufio.Writer
	stamp int
	value int
}

const leastValueWidth = 12

func (w *tableRows) begin(rows *seriesReader) {
	w.stamp = max(len("2026-01-31T12:00:00Z"), len(rows.row.stamp))
	w.value = leastValueWidth
	w.line("TIMESTAMP", "VALUE", "SCORE", "ALERT")
}

func (w *tableRows) write(row *seriesRow, j *perf.Judgement) {
	alert := "-"
	if j.Alert {
		alert = "alert"
	}
	w.line(printable(string(row.stamp)), strconv.FormatFloat(row.value, 'g', 6, 64), strconv.FormatFloat(j.Score, 'f', 3, 64), alert)
}

func (w *tableRows) line(stamp, value, score, alert string) {
	pad := func(text string, width int) string { return strings.Repeat(" ", max(0, width-len(text))) }
	_, _ = w.out.WriteString(stamp + pad(stamp, w.stamp) + "  " + pad(value, w.value) + value + "  " + pad(score, 5) + score + "  " + alert + "\n")
}

func (w *tableRows) end() {}
