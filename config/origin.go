package config

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/elixirscope/foundation/config/internal/yamlx"
	"github.com/elixirscope/foundation/fault"
)

// origin is what a Config remembers of the text it was read from.
type origin struct {
	file string
	text []byte
	root *yamlx.Node
	// pointers says that there is no text, so that places are pointers into the document.
	pointers bool
	// complete says that a section which the document leaves out is meant to go.
	complete bool
	// fresh holds what variables hold now, by the text in which they stand.
	fresh map[string]string
	// kept are sections that stand in another text, from which they were taken over.
	kept map[string]*yamlx.Node
	// secrets are the texts that variables held; they are cut out of every message.
	secrets []secret
	// veiled are the values of the file that are secrets themselves.
	veiled map[*yamlx.Node]bool
	// warnings are what the text sets that is legal and very likely a mistake.
	warnings []fault.Problem
}

// secret is what a variable held, and what to show instead.
type secret struct{ text, raw string }

// problem turns a fault into what is reported, with its place if it is known.
func (c *Config) problem(f yamlx.Fault) fault.Problem {
	p := fault.Problem{Field: f.Path.String(), Value: f.Value, Message: f.Message, Warning: f.Warning}
	if c.origin == nil {
		return p
	}
	return c.origin.describe(f)
}

func (o *origin) at(pos yamlx.Pos) string {
	return filepath.Base(o.file) + ":" + strconv.Itoa(pos.Line) + ":" + strconv.Itoa(pos.Column)
}

// place says where a path stands: at pos, or where there is no text the path itself.
func (o *origin) place(path yamlx.Path, pos yamlx.Pos) string {
	if o.pointers {
		return cmp.Or(string(path), "/")
	}
	return o.at(pos)
}

// locate returns the place of a path: of the value where there is one, of the
// key of a mapping, and for what is missing the place where it is missing.
func (o *origin) locate(path yamlx.Path) (yamlx.Pos, *yamlx.Node) {
	for p := path; ; p = p.Parent() {
		if entry, ok := o.root.Find(p); ok {
			if p == path && entry.Node.Kind == yamlx.Scalar {
				return entry.Node.Pos, entry.Node
			}
			return entry.KeyPos, nil
		}
		if p == "" {
			return yamlx.Pos{Line: 1, Column: 1}, nil
		}
	}
}

// describe renders a fault with its place. What was read from a variable is
// shown as it was written.
func (o *origin) describe(f yamlx.Fault) fault.Problem {
	pos, node := o.locate(f.Path)
	if f.Pos.Line > 0 {
		pos = f.Pos
	}
	value := f.Value
	switch {
	case node != nil && node.Expanded:
		value = node.Raw
	case node != nil && o.veiled[node]:
		value = hidden
	case node != nil && value != "":
		value = o.scrub(node.Raw)
	default:
		value = o.scrub(value)
	}
	return fault.Problem{
		Field: f.Path.String(), Value: shorten(value), Message: o.scrub(f.Message), Warning: f.Warning,
		Position: o.place(f.Path, pos), Excerpt: o.excerpt(pos),
	}
}

func shorten(text string) string {
	const most = 80
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "…"
	}
	return text
}

// scrub cuts what variables held out of a text.
func (o *origin) scrub(text string) string {
	for _, s := range o.secrets {
		text = strings.ReplaceAll(text, s.text, s.raw)
	}
	return text
}

// excerpt returns the line at pos and a caret below the place.
func (o *origin) excerpt(pos yamlx.Pos) string {
	line := []rune(yamlx.Line(o.text, pos.Line))
	if len(line) == 0 {
		return ""
	}
	for n, veiled := range o.veiled { // a secret written into the file stays there
		if veiled && n.Pos.Line == pos.Line {
			line = mask(line, n)
		}
	}
	line = []rune(credentials.ReplaceAllStringFunc(string(line), stars))
	column := min(pos.Column, len(line)+1)
	start := 0
	const width = 100
	if column > width-20 {
		start = column - (width - 20)
	}
	shown := line[start:min(len(line), start+width)]
	blank := strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, string(line[start:column-1]))
	return string(shown) + "\n" + blank + "^"
}

// credentials are what looks like one where nobody knows what stands where: in a
// file that is no YAML, behind a tag, below a key that stands there twice.
var credentials = regexp.MustCompile(`(?i)(://[^\s:/@]*:[^\s@]+@|\b(?:token|dsn|(?:\w*_)?password|secret)["']?\s*[:=]\s*[^\s,}\]][^,}\]]*)`)

// stars overwrites the credential in what [credentials] has found, keeping its
// width for the caret. A variable is none.
func stars(found string) string {
	if strings.Contains(found, "${") {
		return found
	}
	begin := strings.IndexAny(found, ":=") + 1
	if strings.HasPrefix(found, "://") {
		begin = len("://") + strings.IndexByte(found[len("://"):], ':') + 1
	}
	return found[:begin] + strings.Map(func(r rune) rune {
		if strings.ContainsRune(" @\"'", r) {
			return r
		}
		return '*'
	}, found[begin:])
}

// mask overwrites a value in its line, keeping its width for the caret: all that
// is behind its beginning if it does not stand there as it is, as with escapes.
func mask(line []rune, n *yamlx.Node) []rune {
	if n.Raw == "" {
		return line
	}
	begin, end := min(n.Pos.Column-1, len(line)), len(line)
	if before, _, found := strings.Cut(string(line[begin:]), n.Raw); found {
		begin += utf8.RuneCountInString(before)
		end = begin + utf8.RuneCountInString(n.Raw)
	}
	for i := begin; i < end; i++ {
		line[i] = '*'
	}
	return line
}

// learn remembers which texts must not be shown: what variables held, and what
// stands in the file where a secret belongs. Short ones say nothing and would
// garble messages if they were cut out; they are still never shown as values.
func (o *origin) learn(veiled []*yamlx.Node) {
	o.veiled = make(map[*yamlx.Node]bool, len(veiled))
	for _, n := range veiled {
		o.veiled[n] = !n.Expanded
	}
	for n := range o.root.All {
		switch {
		case n.Kind != yamlx.Scalar:
		case n.Expanded:
			o.keep(n.Text, n.Raw)
		case n.Secret():
			o.keep(n.Text, hidden)
		}
	}
	o.sortSecrets()
}

// sortSecrets puts them in the order in which they are cut out: one that contains
// another first.
func (o *origin) sortSecrets() {
	slices.SortFunc(o.secrets, func(a, b secret) int {
		return cmp.Or(cmp.Compare(len(b.text), len(a.text)), strings.Compare(a.text, b.text))
	})
}

// secrets knows what must not be shown of c wherever it was made: a kind of worker may
// quote its options in what it says of them.
func (c *Config) secrets() *origin {
	o := &origin{}
	shown := func(_ yamlx.Path, leaf yamlx.Leaf) bool { return leaf.Shown != leaf.Value }
	for _, leaf := range yamlx.Named(*c, c.veil, shown) {
		o.keep(leaf.Value, leaf.Shown)
	}
	o.sortSecrets()
	return o
}

// keep remembers to show raw for text, in every form.
func (o *origin) keep(text, raw string) {
	const short = 4
	for _, form := range sensitive(text) {
		if len(form) >= short {
			o.secrets = append(o.secrets, secret{form, raw})
		}
	}
}

// sensitive returns the forms in which a text may turn up in a message: itself,
// in quotes, and the password of a connection string.
func sensitive(text string) []string {
	quoted := strconv.Quote(text)
	forms := []string{text, quoted[1 : len(quoted)-1]}
	if _, rest, found := strings.Cut(text, "://"); found {
		if user, _, found := strings.Cut(rest, "@"); found {
			_, password, _ := strings.Cut(user, ":")
			forms = append(forms, password)
		}
	}
	for word := range strings.FieldsSeq(text) {
		if _, password, found := strings.Cut(word, "password="); found {
			forms = append(forms, strings.Trim(password, "'"))
		}
	}
	return forms
}

// find returns what stands at a path, in this text or in the one from which its section
// was taken over.
func (o *origin) find(path yamlx.Path) (yamlx.Entry, bool) {
	if entry, ok := o.root.Find(path); ok || len(o.kept) == 0 {
		return entry, ok
	}
	section, rest := path.Cut()
	return o.kept[section].Find(rest)
}

// problemsOf returns the problems in an error, or nil.
func problemsOf(err error) []fault.Problem {
	if isNil(err) {
		return nil
	}
	if f, ok := errors.AsType[*fault.Error](err); ok && f != nil {
		return f.Problems()
	}
	return nil
}

// textOf is what err says; a nil pointer in an error says nothing and would panic.
func textOf(err error) string {
	if isNil(err) {
		return fmt.Sprintf("a nil %T was returned as an error, which is not nil: return nil", err)
	}
	return err.Error()
}
