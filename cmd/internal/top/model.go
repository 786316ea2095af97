package top

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/elixirscope/foundation/cmd/internal/cells"
	"github.com/elixirscope/foundation/internal/adminapi"
)

// model is what is shown. Update and View are pure functions of it: the time comes with
// messages.
type model struct {
	address string
	colour  bool
	why     func(ctx context.Context, kind, name string) (string, error)
	ctx     context.Context //nolint:containedctx // of what the model asks for

	width, height int
	now           time.Time
	frame         *adminapi.Frame // that is shown
	got           time.Time       // when the frame came
	latest        *adminapi.Frame // the newest, while another is held
	latestGot     time.Time
	lost          string // why nothing comes any more, "" while it does

	key       string // of the column that is sorted by; "" is worst first
	up        bool
	filter    string
	filtering bool   // keys go into the filter
	chosen    string // ID of a row
	top       int    // the first row that is shown
	paused    bool
	detail    *detail
}

// detail is what why says of a part.
type detail struct {
	row   adminapi.FrameRow
	lines []string // nil while it is asked for
	err   error
	top   int
}

// The messages that are not the library's.
type (
	frameMsg struct {
		frame *adminapi.Frame
		at    time.Time
	}
	lostMsg struct{ reason string }
	tickMsg time.Time
	whyMsg  struct {
		id   string
		text string
		err  error
	}
)

// Init implements [tea.Model].
func (m model) Init() tea.Cmd { return nil }

// Update implements [tea.Model].
func (m model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tickMsg:
		m.now = time.Time(msg)
	case frameMsg:
		m.now, m.lost = msg.at, ""
		m.latest, m.latestGot = msg.frame, msg.at
		m.follow()
	case lostMsg:
		m.lost = msg.reason
	case whyMsg:
		m.told(msg)
	case tea.KeyPressMsg:
		return m.press(msg)
	}
	return m, nil
}

// follow shows the newest frame, unless one is held.
func (m *model) follow() {
	if !m.paused && m.latest != nil {
		m.frame, m.got = m.latest, m.latestGot
	}
}

func (m *model) told(msg whyMsg) {
	if m.detail == nil || m.detail.row.ID != msg.id {
		return
	}
	d := *m.detail
	d.err, d.lines = msg.err, strings.Split(strings.TrimRight(msg.text, "\n"), "\n")
	m.detail = &d
}

func (m model) press(key tea.KeyPressMsg) (tea.Model, tea.Cmd) {
	name := key.String()
	switch {
	case name == "ctrl+c":
		return m, tea.Quit
	case m.filtering:
		m.typed(key)
		return m, nil
	case name == "q":
		return m, tea.Quit
	case m.detail != nil:
		return m.pressDetail(name)
	}
	switch name {
	case "/":
		m.filtering = true
	case "esc":
		m.filter, m.key, m.up = "", "", false
	case "p", "space":
		m.paused = !m.paused
		m.follow()
	case "enter":
		return m.open()
	case "w":
		m.key, m.up = "", m.key == "" && !m.up
	default:
		if !m.move(name) {
			m.sort(name)
		}
	}
	return m, nil
}

// typed changes the filter.
func (m *model) typed(key tea.KeyPressMsg) {
	switch key.String() {
	case "enter":
		m.filtering = false
	case "esc":
		m.filtering, m.filter = false, ""
	case "backspace":
		if r := []rune(m.filter); len(r) > 0 {
			m.filter = string(r[:len(r)-1])
		}
	default:
		if len(m.filter) < 100 {
			m.filter += key.Text
		}
	}
}

func (m *model) sort(key string) {
	for _, c := range columns {
		if c.key != "" && c.key == key {
			m.key, m.up = key, m.key == key && !m.up
			return
		}
	}
}

// move moves the choice; it reports whether the key does.
func (m *model) move(key string) bool {
	rows := m.rows()
	room := max(1, m.room())
	at := max(0, slices.IndexFunc(rows, func(r adminapi.FrameRow) bool { return r.ID == m.chosen }))
	steps := map[string]int{"down": 1, "j": 1, "up": -1, "k": -1, "pgdown": room, "pgup": -room, "home": -len(rows), "g": -len(rows), "end": len(rows), "G": len(rows)}
	step, moves := steps[key]
	if !moves || len(rows) == 0 {
		return moves
	}
	if m.chosen != "" || step < 0 || step > 1 {
		at = max(0, min(len(rows)-1, at+step))
	}
	m.chosen = rows[at].ID
	m.top = max(min(m.top, at), at-room+1)
	return true
}

// open asks why about the row that is chosen, or about the first.
func (m model) open() (tea.Model, tea.Cmd) {
	rows := m.rows()
	if len(rows) == 0 {
		return m, nil
	}
	at := max(0, slices.IndexFunc(rows, func(r adminapi.FrameRow) bool { return r.ID == m.chosen }))
	m.chosen, m.detail = rows[at].ID, &detail{row: rows[at]}
	return m, m.ask(rows[at])
}

func (m model) ask(r adminapi.FrameRow) tea.Cmd {
	return func() tea.Msg {
		text, err := m.why(m.ctx, r.Kind, r.Name)
		return whyMsg{r.ID, text, err}
	}
}

func (m model) pressDetail(name string) (tea.Model, tea.Cmd) {
	d := *m.detail
	most := max(0, len(d.lines)-m.height+2)
	switch name {
	case "esc", "backspace", "left":
		m.detail = nil
		return m, nil
	case "enter", "r":
		return m, m.ask(d.row)
	case "down", "j":
		d.top++
	case "up", "k":
		d.top--
	case "pgdown", "space":
		d.top += m.height - 2
	case "pgup":
		d.top -= m.height - 2
	}
	d.top = max(0, min(most, d.top))
	m.detail = &d
	return m, nil
}

func (m *model) rows() []adminapi.FrameRow {
	if m.frame == nil {
		return nil
	}
	return sorted(m.frame.Rows, m.key, m.up, m.filter)
}

// staleAfter is from which age on what is shown is said to be old, also where nobody has
// noticed that the connection is lost.
const staleAfter = 3 * time.Second

// stale reports whether what is shown may not be so any more.
func (m *model) stale() bool {
	return m.frame != nil && (m.lost != "" || m.paused || m.now.Sub(m.got) >= staleAfter)
}

// View implements [tea.Model].
func (m model) View() tea.View {
	v := tea.NewView(strings.Join(m.draw(), "\n"))
	v.AltScreen = true
	return v
}

// draw returns the lines of the screen.
func (m *model) draw() []string {
	if m.width == 0 {
		return nil
	}
	p := &page{colour: m.colour, width: m.width}
	if m.detail != nil {
		m.drawDetail(p)
	} else {
		m.drawTable(p)
	}
	return p.lines[:min(len(p.lines), m.height)]
}

// banner says how old what is shown is, where it is not of now.
func (m *model) banner(p *page) {
	age := spanText(m.now.Sub(m.got))
	switch {
	case m.frame == nil:
		p.put(cell{"waiting for " + m.address, warn})
		if m.lost != "" {
			p.put(cell{m.lost, bad})
		}
	case m.lost != "":
		p.put(cell{fmt.Sprintf("✗ CONNECTION LOST, what is shown is %s old: %s", age, m.lost), reverse})
	case m.paused:
		p.put(cell{fmt.Sprintf("‖ PAUSED, what is shown is %s old; p goes on", age), reverse})
	case m.now.Sub(m.got) >= staleAfter:
		p.put(cell{fmt.Sprintf("✗ NOTHING COMES, what is shown is %s old", age), reverse})
	}
}

func (m *model) drawTable(p *page) {
	if m.banner(p); m.frame == nil {
		return
	}
	if m.stale() {
		p.over = faint
	}
	p.head(m.frame, m.frame.At)
	p.lines = append(p.lines, "")
	list := p.shown()
	p.titles(list, m.key, m.up)
	rows := m.rows()
	room := max(0, m.height-len(p.lines)-1)
	first := max(0, min(m.top, len(rows)-room))
	for i := first; i < min(len(rows), first+room); i++ {
		mark, s := " ", plain
		if rows[i].ID == m.chosen {
			mark, s = "▸", bold
		}
		p.part(list, mark, &rows[i], m.frame.At, s)
	}
	for len(p.lines) < m.height-1 {
		p.lines = append(p.lines, "")
	}
	p.over = plain
	m.foot(p, len(rows), first, room)
}

// room is how many rows there is room for.
func (m *model) room() int {
	if m.frame == nil {
		return 0
	}
	p := &page{width: m.width}
	m.banner(p)
	p.head(m.frame, m.frame.At)
	return m.height - len(p.lines) - 3
}

func (m *model) foot(p *page, rows, first, room int) {
	if m.filtering {
		p.put(cell{"/" + m.filter + "█", bold}, cell{fmt.Sprintf("  %d of %d; Enter keeps it, Esc clears it", rows, len(m.frame.Rows)), faint})
		return
	}
	count := fmt.Sprintf("%d rows", rows)
	if m.filter != "" {
		count = fmt.Sprintf("/%s: %d of %d rows", m.filter, rows, len(m.frame.Rows))
	}
	if rows > room {
		count += fmt.Sprintf(", from %d", first+1)
	}
	p.put(cell{count, plain}, cell{"  sort w s n r e d l i  / filter  Enter why  p pause  Esc reset  q quit", faint})
}

func (m *model) drawDetail(p *page) {
	d := m.detail
	title := cell{kindWord(d.row.Kind) + " " + d.row.Name, bold}
	if m.lost != "" {
		title = cell{title.text + "   ✗ CONNECTION LOST: " + m.lost, reverse}
	}
	p.put(title)
	lines := d.lines
	switch {
	case d.err != nil:
		lines = cells.Wrap(cells.Printable(d.err.Error()), m.width)
	case d.lines == nil:
		lines = []string{"…"}
	}
	for _, line := range lines[min(d.top, len(lines)):] {
		if len(p.lines) >= m.height-1 {
			break
		}
		p.lines = append(p.lines, line)
	}
	for len(p.lines) < m.height-1 {
		p.lines = append(p.lines, "")
	}
	p.put(cell{"Esc back  r again  ↑ ↓ scroll  q quit", faint})
}
