package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
)

const (
	longestLine = 1 << 20 // bytes
	mostReports = 10      // of rows that are left out, before only their number is told
)

// seriesRow is one row that can be judged. Its text is valid until the next one is read.
type seriesRow struct {
	text  []byte // as it stands in the file
	stamp []byte
	at    time.Time
	value float64
}

// seriesReader reads the rows of a CSV file one by one.
type seriesReader struct {
	in     *bufio.Reader
	strict bool
	named  [2]string // the columns that flags name

	line      int
	rows      int    // of data
	separator byte   // 0 before the first line
	header    []byte // without the line's end; nil if there is none
	column    [2]int // of the timestamp and of the value
	fields    []field
	long      []byte

	last     time.Time
	interval time.Duration // the usual one between rows
	skipped  map[string]int
	reported int
	gaps     int
	row      seriesRow
}

// field is a part of a line.
type field struct {
	text   []byte
	column int // of its first byte, from 1
}

// The kinds of rows that are left out.
const (
	badTime   = "no timestamp"
	badNumber = "no number"
	notFinite = "not finite"
	badCount  = "too few columns"
	repeated  = "time repeats"
	backwards = "time goes back"
)

func newSeriesReader(in io.Reader, o *detectOptions) *seriesReader {
	return &seriesReader{
		in: bufio.NewReaderSize(in, 64<<10), strict: o.strict,
		named: [2]string{o.timeColumn, o.valueColumn}, skipped: map[string]int{},
	}
}

// drained reports whether the next row has to be waited for.
func (s *seriesReader) drained() bool { return s.in.Buffered() == 0 }

// next returns the next row that can be judged, and reports those that cannot.
func (s *seriesReader) next(stderr io.Writer) (*seriesRow, error) {
	for {
		line, err := s.readLine()
		if err != nil {
			return nil, err
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if s.separator == 0 {
			s.separator = separatorOf(line)
			isHeader, err := s.readHeader(line)
			if err != nil {
				return nil, err
			}
			if isHeader {
				continue
			}
		}
		s.rows++
		kind, problem := s.parse(line)
		if problem == "" {
			if err := s.irregular(stderr); err != nil {
				return nil, err
			}
			return &s.row, nil
		}
		if s.strict {
			return nil, errors.New(problem)
		}
		s.skip(stderr, kind, problem)
	}
}

// readLine returns the next line without its end.
func (s *seriesReader) readLine() ([]byte, error) {
	line, err := s.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		line, err = s.readLong(line)
	}
	if err != nil && (!errors.Is(err, io.EOF) || len(line) == 0) {
		if errors.Is(err, io.EOF) {
			return nil, io.EOF
		}
		return nil, fmt.Errorf("read line %d: %w", s.line+1, err)
	}
	s.line++
	if s.line == 1 {
		line = bytes.TrimPrefix(line, []byte("\ufeff"))
	}
	line = bytes.TrimSuffix(line, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r")), nil
}

func (s *seriesReader) readLong(start []byte) ([]byte, error) {
	s.long = append(s.long[:0], start...)
	for {
		more, err := s.in.ReadSlice('\n')
		s.long = append(s.long, more...)
		if len(s.long) > longestLine {
			return nil, fmt.Errorf("it is longer than %d bytes: this is no CSV file of a series", longestLine)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return s.long, err
		}
	}
}

func separatorOf(line []byte) byte {
	for _, c := range []byte{',', ';', '\t'} {
		if bytes.IndexByte(line, c) >= 0 {
			return c
		}
	}
	return ','
}

// split cuts a line into its fields. The inside of quotes is not cut, and they are taken off.
func (s *seriesReader) split(line []byte) []field {
	s.fields = s.fields[:0]
	begin, quoted := 0, false
	for i := 0; i <= len(line); i++ {
		if i < len(line) {
			if line[i] == '"' {
				quoted = !quoted
			}
			if quoted || line[i] != s.separator {
				continue
			}
		}
		text := bytes.TrimSpace(line[begin:i])
		if n := len(text); n >= 2 && text[0] == '"' && text[n-1] == '"' {
			text = bytes.TrimSpace(text[1 : n-1])
		}
		s.fields = append(s.fields, field{text, begin + 1})
		begin = i + 1
	}
	return s.fields
}

// readHeader finds the columns by the first line, which may be a row of data already.
func (s *seriesReader) readHeader(line []byte) (isHeader bool, err error) {
	fields := s.split(line)
	s.column = [2]int{0, 1}
	if len(fields) >= 2 && s.named == [2]string{} {
		_, stamp := parseStamp(fields[0].text)
		_, number := parseNumber(fields[1].text)
		if stamp || number {
			return false, nil
		}
	}
	s.header = slices.Clone(line)
	var names []string
	for _, f := range fields {
		names = append(names, string(f.text))
	}
	if s.column[0], err = columnOf(names, s.named[0], "timestamp", "time", "ts", "date", "datetime"); err != nil {
		return false, err
	}
	s.column[1], err = columnOf(names, s.named[1], "value")
	if err != nil && len(names) == 2 && s.named[1] == "" {
		s.column[1], err = 1-s.column[0], nil // the other one, whatever its name is
	}
	return true, err
}

// columnOf returns where the column stands that a flag names, or that has one of the usual names.
func columnOf(names []string, named string, usual ...string) (int, error) {
	if named != "" {
		usual = []string{named}
	}
	for _, name := range usual {
		if i := slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, name) }); i >= 0 {
			return i, nil
		}
	}
	return 0, fmt.Errorf("no column %s: the first line has %s; name the column with --time or --value", usual[0], quoteAll(names))
}

func quoteAll(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = fmt.Sprintf("%.40q", n)
	}
	return strings.Join(quoted[:min(len(quoted), 20)], ", ")
}

// parse reads a line into the row, or says what is wrong with it.
func (s *seriesReader) parse(line []byte) (kind, problem string) {
	fields := s.split(line)
	if most := max(s.column[0], s.column[1]); len(fields) <= most {
		return badCount, fmt.Sprintf("line %d, column %d: %d columns, want at least %d", s.line, len(line)+1, len(fields), most+1)
	}
	stamp, number := fields[s.column[0]], fields[s.column[1]]
	at, ok := parseStamp(stamp.text)
	if !ok {
		return badTime, fmt.Sprintf("line %d, column %d: %.40q is no timestamp", s.line, stamp.column, stamp.text)
	}
	value, ok := parseNumber(number.text)
	if !ok {
		return badNumber, fmt.Sprintf("line %d, column %d: %.40q is no number", s.line, number.column, number.text)
	}
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return notFinite, fmt.Sprintf("line %d, column %d: %.40q is not finite", s.line, number.column, number.text)
	}
	if !s.last.IsZero() && !at.After(s.last) {
		if at.Equal(s.last) {
			return repeated, fmt.Sprintf("line %d, column %d: the time %.40s repeats", s.line, stamp.column, stamp.text)
		}
		return backwards, fmt.Sprintf("line %d, column %d: the time %.40s is before that of the row before", s.line, stamp.column, stamp.text)
	}
	s.row = seriesRow{text: line, stamp: stamp.text, at: at, value: value}
	return "", ""
}

// irregular reports a gap before the row.
func (s *seriesReader) irregular(stderr io.Writer) error {
	passed := s.row.at.Sub(s.last)
	first := s.last.IsZero()
	s.last = s.row.at
	if first {
		return nil
	}
	if s.interval == 0 || passed < s.interval {
		s.interval = passed
	}
	if passed <= s.interval*5/2 {
		// A series whose rows come apart more often than not has no gaps, but another interval.
		s.interval += (passed - s.interval) / 16
		return nil
	}
	problem := fmt.Sprintf("line %d: a gap of %v, rows are usually %v apart", s.line, passed, s.interval.Round(time.Millisecond))
	if s.strict {
		return errors.New(problem)
	}
	s.gaps++
	s.interval += s.interval / 16
	s.report(stderr, problem)
	return nil
}

func (s *seriesReader) skip(stderr io.Writer, kind, problem string) {
	s.skipped[kind]++
	s.report(stderr, problem+": row left out")
}

func (s *seriesReader) report(stderr io.Writer, problem string) {
	if s.reported++; s.reported <= mostReports {
		fmt.Fprintln(stderr, problem)
	}
}

// nothing is the error of a file without a single row that can be judged.
func (s *seriesReader) nothing() error {
	if s.rows == 0 {
		return errors.New("the series is empty: it has no row")
	}
	return fmt.Errorf("none of the %d rows can be judged: %s", s.rows, s.kinds())
}

// summary says how many rows were left out.
func (s *seriesReader) summary() []string {
	var lines []string
	total := 0
	for _, n := range s.skipped {
		total += n
	}
	if total > 0 {
		lines = append(lines, fmt.Sprintf("Left out %d of %d rows: %s.", total, s.rows, s.kinds()))
	}
	if s.gaps > 0 {
		lines = append(lines, fmt.Sprintf("Gaps: %d.", s.gaps))
	}
	return lines
}

func (s *seriesReader) kinds() string {
	var parts []string
	for _, kind := range []string{badCount, badTime, badNumber, notFinite, repeated, backwards} {
		if n := s.skipped[kind]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", kind, n))
		}
	}
	return strings.Join(parts, ", ")
}
