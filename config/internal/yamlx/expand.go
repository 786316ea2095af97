package yamlx

import (
	"fmt"
	"strings"
)

// Sources are where the variables of a file come from. A nil function means that
// this kind of expansion is not allowed.
type Sources struct {
	LookupEnv func(name string) (string, bool)
	ReadFile  func(path string) ([]byte, error)
}

// Expand fills in ${NAME}, ${NAME:-default} and ${file:/path} in every scalar
// below n; $${ stands for a plain ${. What a variable holds is not expanded
// again. Faults never contain what was filled in.
func Expand(n *Node, from Sources) []Fault {
	e := expander{from: from, done: make(map[*Node]bool)}
	e.node("", n)
	return e.faults
}

type expander struct {
	from   Sources
	faults []Fault
	done   map[*Node]bool // values merged into several mappings are met often
}

func (e *expander) node(path Path, n *Node) {
	if n == nil || e.done[n] {
		return
	}
	e.done[n] = true
	for i := range n.Pairs {
		e.node(path.Key(n.Pairs[i].Key), n.Pairs[i].Value)
	}
	for i, item := range n.Items {
		e.node(path.Index(i), item)
	}
	if n.Kind == Scalar && !n.Expanded && strings.Contains(n.Raw, "${") {
		e.scalar(path, n)
	}
}

func (e *expander) scalar(path Path, n *Node) {
	var out strings.Builder
	for rest := n.Raw; ; {
		before, after, found := strings.Cut(rest, "${")
		if !found {
			out.WriteString(rest)
			break
		}
		if text, escaped := strings.CutSuffix(before, "$"); escaped {
			out.WriteString(text + "${")
			rest = after
			continue
		}
		inner, behind, closed := strings.Cut(after, "}")
		value, problem := "", "this ${ is never closed with }; write $${ for a plain ${"
		if closed {
			value, problem = e.variable(inner)
		}
		if problem != "" {
			e.faults = append(e.faults, Fault{Path: path, Pos: n.Pos, Value: n.shown(), Message: problem})
			n.Bad = true
			return
		}
		out.WriteString(before + value)
		n.Expanded = true
		rest = behind
	}
	if n.Text = out.String(); len(n.Text) > MaxText {
		e.faults = append(e.faults, Fault{
			Path: path, Pos: n.Pos, Value: n.shown(),
			Message: fmt.Sprintf("expands to %d bytes, at most %d are allowed", len(n.Text), MaxText),
		})
		n.Bad = true
	}
}

// variable returns what stands for ${inner}, or what is wrong with it.
func (e *expander) variable(inner string) (value, problem string) {
	if path, isFile := strings.CutPrefix(inner, "file:"); isFile {
		return e.file(path)
	}
	name, fallback, hasFallback := strings.Cut(inner, ":-")
	switch {
	case !validVariable(name):
		return "", fmt.Sprintf("invalid variable name %q; write ${NAME}, ${NAME:-default} or ${file:/path}", name)
	case e.from.LookupEnv == nil:
		return "", "variables are allowed only in a local configuration file"
	}
	if value, ok := e.from.LookupEnv(name); ok && (value != "" || !hasFallback) {
		return value, ""
	}
	if !hasFallback {
		return "", fmt.Sprintf("the variable %s is not set; set it, or write ${%s:-default}", name, name)
	}
	return fallback, ""
}

func (e *expander) file(path string) (value, problem string) {
	if e.from.ReadFile == nil {
		return "", "files are allowed only in a local configuration file"
	}
	data, err := e.from.ReadFile(path)
	if err != nil {
		return "", fmt.Sprintf("the file cannot be read: %v", err)
	}
	// Editors and secret stores end files with a line break that nobody means.
	return strings.TrimRight(string(data), "\r\n"), ""
}

func validVariable(name string) bool {
	for i, r := range name {
		letter := r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != ""
}
