package cells

// Style is how a text is shown on a terminal with colour. It never carries meaning alone: the
// text says the same.
type Style string

// The styles.
const (
	Plain   Style = ""
	Good    Style = "\x1b[32m"
	Warn    Style = "\x1b[33m"
	Bad     Style = "\x1b[31m"
	Faint   Style = "\x1b[2m"
	Bold    Style = "\x1b[1m"
	Reverse Style = "\x1b[7m"
)

// ResetStyle ends every style.
const ResetStyle = "\x1b[0m"

// Paint returns text in the style s.
func (s Style) Paint(text string) string {
	if s == Plain {
		return text
	}
	return string(s) + text + ResetStyle
}
