package top

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/elixirscope/foundation/cmd/internal/cells"
	"github.com/elixirscope/foundation/internal/adminapi"
)

// page is what is drawn, line by line.
type page struct {
	colour bool
	width  int
	over   style // in place of all others, once what is drawn may not be so any more
	lines  []string
}

// put adds a line of cells, cut to the width.
func (p *page) put(parts ...cell) {
	var b strings.Builder
	left := p.width
	for _, c := range parts {
		text := cells.Clip(cells.Printable(c.text), left)
		left -= cells.Width(text)
		b.WriteString(p.paint(text, c.style))
		if left <= 0 {
			break
		}
	}
	p.lines = append(p.lines, strings.TrimRight(b.String(), " "))
}

func (p *page) paint(text string, s style) string {
	if p.over != plain {
		s = p.over
	}
	if !p.colour || text == "" {
		return text
	}
	return s.Paint(text)
}

// wideFrom is from which width on all columns are shown.
const wideFrom = 110

// shown are the columns that there is room for, with their widths.
func (p *page) shown() (list []column) {
	used, name := 0, -1
	for _, c := range columns {
		if c.wide && p.width < wideFrom {
			continue
		}
		if c.width == 0 {
			name = len(list)
		}
		used += c.width
		list = append(list, c)
	}
	list[name].width = max(8, p.width-used-2-(len(list)-1)) // a mark and gaps of one column
	return list
}

// head draws what is known of the whole.
func (p *page) head(f *adminapi.Frame, now time.Time) {
	verdict := cell{"● " + f.Verdict, good}
	if f.Verdict != "ok" {
		verdict = cell{"▲ " + f.Verdict, warn}
	}
	about := fmt.Sprintf("  %s  %s  up %s  revision %d", namesText(f), f.Build, spanText(time.Duration(f.UptimeSeconds*float64(time.Second))), f.Config.Revision)
	if f.Config.Drifted {
		about += " (drifted)"
	}
	p.put(verdict, cell{fmt.Sprintf("  score %d", f.Score), plain}, cell{about, faint})
	p.totals(&f.Totals)
	p.rest(f, now)
	for i := range f.Findings[:min(len(f.Findings), shownFindings)] {
		p.put(cell{"✗ ", bad}, cell{f.Findings[i].Text, plain})
	}
	if more := len(f.Findings) + f.More - shownFindings; more > 0 {
		p.put(cell{fmt.Sprintf("  and %d more: see 'foundation status'", more), faint})
	}
}

// shownFindings bounds what stands above the table.
const shownFindings = 3

func namesText(f *adminapi.Frame) string {
	if f.Instance == "" {
		return f.Namespace
	}
	return f.Namespace + " on " + f.Instance
}

func (p *page) totals(t *adminapi.FrameTotals) {
	line := []cell{{fmt.Sprintf("calls %s/s", amount(t.NowRate)), bold}, {fmt.Sprintf("  last minute %s/s: failed %s/s, ", amount(t.Rate), amount(t.FailedRate)), plain}}
	refused := cell{fmt.Sprintf("refused %s/s", amount(t.RefusedRate)), plain}
	if t.RefusedRate > 0 {
		refused.style = warn
		var by []string
		for _, r := range t.RefusedBy[:min(3, len(t.RefusedBy))] {
			by = append(by, r.Reason+" "+amount(r.Rate))
		}
		refused.text += " (" + strings.Join(by, ", ") + ")"
	}
	if t.WindowSeconds == 0 {
		line, refused = []cell{{"calls: nothing keeps the last minute, because performance is off", plain}}, cell{}
	}
	p.put(append(line, refused, cell{fmt.Sprintf("  in flight %d", t.InFlight), plain})...)
}

// rest draws what else is not as it is usually.
func (p *page) rest(f *adminapi.Frame, now time.Time) {
	var line []cell
	add := func(s style, format string, args ...any) {
		line = append(line, cell{fmt.Sprintf(format, args...) + "  ", s})
	}
	if t := f.Totals.NotClosed; t > 0 {
		add(bad, "breakers not closed %d", t)
	}
	if m := &f.Memory; m.Level != "off" {
		word, s := m.Level, plain
		if m.Simulated != "" {
			word += " (simulated)"
		}
		if m.Level != "normal" {
			s = warn
		}
		add(s, "memory %s %s", word, percent(m.Ratio))
	}
	if h := &f.Health; h.Checks > 0 {
		s := map[bool]style{true: bad, false: plain}[h.Failed > 0]
		add(s, "checks %d, %d fail, %d warn", h.Checks, h.Failed, h.Warned)
	}
	if a := &f.Alerts; a.Firing > 0 {
		add(bad, "alerts %d", a.Firing)
	}
	if a := &f.Alerts; a.Silences > 0 {
		add(plain, "silences %d", a.Silences)
	}
	if f.Storage.Away != "" {
		add(bad, "storage away")
	}
	if len(f.Services.Failing) > 0 {
		add(bad, "services failing %d", len(f.Services.Failing))
	}
	if len(line) > 0 {
		p.put(line...)
	}
	for i := range f.Overrides[:min(2, len(f.Overrides))] {
		p.put(cell{"⚠ ", warn}, cell{overrideText(&f.Overrides[i], now), plain})
	}
	if more := len(f.Overrides) - 2; more > 0 {
		p.put(cell{fmt.Sprintf("⚠ and %d more overrides", more), warn})
	}
}

// overrideText says what somebody has taken in hand, until when and why.
func overrideText(o *adminapi.FrameOverride, now time.Time) string {
	subject := strings.Join(slices.DeleteFunc([]string{strings.ReplaceAll(o.Kind, "_", " "), o.Name, o.Member}, func(part string) bool { return part == "" }), " ")
	text := fmt.Sprintf("%s is %s by %s", subject, o.State, o.Actor)
	if o.Kind == "memory" {
		text = fmt.Sprintf("memory pressure %s is simulated by %s", o.State, o.Actor)
	}
	if o.Until.IsZero() {
		text += ", until it is released"
	} else {
		text += ", " + untilText(o.Until, now) + " left"
	}
	if o.Reason != "" {
		text += ": " + o.Reason
	}
	return text
}

// titles draws the head of the table; the column that it is sorted by is marked.
func (p *page) titles(list []column, sorted string, up bool) {
	row := make([]cell, len(list))
	for i, c := range list {
		row[i] = cell{c.title, bold}
		if c.key != "" && c.key == sorted && cells.Width(c.title) < c.width {
			row[i].text += map[bool]string{true: "↑", false: "↓"}[up]
		}
	}
	p.row(list, " ", row, plain)
}

// row adds a row of the table; a style over all of it stands for those of its cells.
func (p *page) row(list []column, mark string, row []cell, over style) {
	var b strings.Builder
	b.WriteString(mark + " ")
	for i, c := range list {
		text := cells.Printable(row[i].text)
		if c.title == "NAME" {
			text = cells.Shorten(text, c.width)
		} else {
			text = cells.Clip(text, c.width)
		}
		pad := strings.Repeat(" ", max(0, c.width-cells.Width(text)))
		s := row[i].style
		if over != plain {
			s = over
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		if c.right {
			b.WriteString(pad + p.paint(text, s))
		} else {
			b.WriteString(p.paint(text, s) + pad)
		}
	}
	p.lines = append(p.lines, strings.TrimRight(b.String(), " "))
}

func (p *page) part(list []column, mark string, r *adminapi.FrameRow, now time.Time, over style) {
	row := make([]cell, len(list))
	for i, c := range list {
		row[i] = c.show(r, now)
	}
	p.row(list, mark, row, over)
}

// Text is one frame as text, width columns wide: for a ticket, or where there is no terminal.
func Text(f *adminapi.Frame, colour bool, width int) string {
	p := &page{colour: colour, width: width}
	p.put(cell{f.At.UTC().Format("2006-01-02 15:04:05Z"), faint})
	head := *f
	head.Findings, head.More = nil, 0
	p.head(&head, f.At)
	for i := range f.Findings {
		p.finding(&f.Findings[i])
	}
	if f.More > 0 {
		p.put(cell{fmt.Sprintf("and %d more: see 'foundation status'", f.More), faint})
	}
	p.lines = append(p.lines, "")
	list := p.shown()
	p.titles(list, "", false)
	for _, r := range sorted(f.Rows, "", false, "") {
		p.part(list, " ", &r, f.At, plain)
	}
	return strings.Join(p.lines, "\n") + "\n"
}

// finding writes a finding in full, with the command that tells more.
func (p *page) finding(f *adminapi.Finding) {
	mark := "✗ "
	for _, line := range cells.Wrap(cells.Printable(f.Text), p.width-2) {
		p.put(cell{mark, bad}, cell{line, plain})
		mark = "  "
	}
	if f.Command != "" {
		p.put(cell{"  → " + f.Command, bold})
	}
}

// sorted are the rows that hold the filter, by a column or as they stand.
func sorted(rows []adminapi.FrameRow, key string, up bool, filter string) []adminapi.FrameRow {
	list := make([]adminapi.FrameRow, 0, len(rows))
	for i := range rows {
		if matches(&rows[i], filter) {
			list = append(list, rows[i])
		}
	}
	for _, c := range columns {
		if key == "" || c.key != key {
			continue
		}
		slices.SortStableFunc(list, func(x, y adminapi.FrameRow) int { return c.order(&x, &y) })
	}
	if up {
		slices.Reverse(list)
	}
	return list
}

// matches reports whether every word of a filter stands somewhere in a row.
func matches(r *adminapi.FrameRow, filter string) bool {
	text := strings.ToLower(strings.Join([]string{r.Name, kindWord(r.Kind), r.Kind, r.State, r.Level, r.Override, r.Reason, r.LastError, r.Of}, " "))
	for word := range strings.FieldsSeq(strings.ToLower(filter)) {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}
