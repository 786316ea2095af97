package config

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/elixirscope/foundation/config/internal/yamlx"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/health"
	"github.com/elixirscope/foundation/internal/localfile"
	"github.com/elixirscope/foundation/pool"
)

// ParseOptions say what a file may refer to. The zero value allows no variables
// and no pools.
type ParseOptions struct {
	// LookupEnv finds ${NAME}; nil refuses such variables. A program passes os.LookupEnv.
	LookupEnv func(name string) (string, bool)
	// ReadFile finds ${file:/path}; nil refuses it. [Load] reads small regular files
	// where it is nil, which suits a program.
	ReadFile func(path string) ([]byte, error)
	Registry
	// Over is the configuration that a document from the network is to take the place
	// of; nil for a local file. Such a document may not set what the local file alone
	// sets: variables, files, the sections that are local, storage, paths of files,
	// and where workers connect to. It may leave all of that as [Config.YAML] shows it,
	// and leave out those sections. LookupEnv and ReadFile are then not used.
	Over *Config
}

// Load reads and parses the file at path. ${file:…} is allowed even if
// o.ReadFile is nil: the file is local. An error of reading is
// [fault.InvalidConfig], too, with the error of the system below it. Only regular
// files are read, for at most five seconds each and until ctx ends: a FIFO or a
// device is an error.
func Load(ctx context.Context, path string, o ParseOptions) (*Config, error) {
	data, err := localfile.Read(ctx, path, int64(yamlx.Large.Bytes))
	if err != nil {
		return nil, fault.New(fault.Spec{
			Code: fault.InvalidConfig, Component: component, Name: filepath.Base(path), Message: "the file cannot be read", Cause: err,
		})
	}
	return Parse(path, data, o.readingFiles(ctx))
}

// readingFiles allows ${file:…}.
func (o ParseOptions) readingFiles(ctx context.Context) ParseOptions {
	if o.ReadFile == nil {
		o.ReadFile = func(path string) ([]byte, error) { return localfile.Read(ctx, path, localfile.MaxSecret) }
	}
	return o
}

// Parse reads a configuration file's text. The file name serves only to say
// where faults stand. All faults are found in one run: the error is one
// [fault.InvalidConfig] whose problems carry file:line:column and an excerpt,
// in the order of the file; [Render] writes it for people. What a variable held
// is in no error.
func Parse(file string, data []byte, o ParseOptions) (*Config, error) {
	from := &origin{file: file, text: data}
	root, faults := o.size().Parse(data)
	if root == nil {
		return nil, from.refuse(faults)
	}
	return from.read(root, faults, o.Over, o)
}

// size is how large a document may be: one from the network as large as a file only if it takes
// the place of such a one, so that what is shown of it can be given back.
func (o ParseOptions) size() yamlx.Size {
	if o.Over == nil {
		return yamlx.Large
	}
	if at := o.Over.origin; at != nil && at.root != nil {
		n := 0
		for range at.root.All {
			if n++; n > yamlx.Small.Nodes/2 {
				return yamlx.Large
			}
		}
	}
	return yamlx.Small
}

// read makes a Config of the document. What it leaves as base shows it, variables and
// hidden secrets, holds what it holds there; base may be nil.
func (o *origin) read(root *yamlx.Node, faults []yamlx.Fault, base *Config, p ParseOptions) (*Config, error) {
	keep := o.keeping(root, base, p)
	faults = append(faults, yamlx.Expand(root, p.sources())...)
	c := &Config{Sections: p.prototypes()}
	var d yamlx.Decoder
	d.Decode("", root, c)
	c.dropEmptyMaps()
	o.root = root
	c.origin = o
	faults = append(faults, versionFault(root, c)...)
	decodeOptions(c, &d, p.Kinds)
	faults = append(faults, d.Faults...)
	faults = append(faults, keep.check(c, o)...)
	o.learn(d.Secrets)
	found, warnings := o.check(c, p.Registry, faults)
	if faults = append(faults, found...); len(faults) > 0 {
		return nil, o.refuse(faults)
	}
	graft(c, base)
	for _, w := range warnings {
		o.warnings = append(o.warnings, o.describe(w))
	}
	return c, nil
}

// versionFault reports a file that does not say which form it has.
func versionFault(root *yamlx.Node, c *Config) []yamlx.Fault {
	if !root.Bad && (root.Kind == yamlx.Mapping || root.Null) && root.Get("version") == nil {
		c.Version = version // one mistake is reported once
		return []yamlx.Fault{{Path: "/version", Pos: root.Pos, Message: fmt.Sprintf("is missing; the file begins with version: %d", version)}}
	}
	return nil
}

// decodeOptions decodes each pool's options into the type of its kind.
func decodeOptions(c *Config, d *yamlx.Decoder, kinds map[string]pool.Kind) {
	for name, p := range c.Pools {
		path := yamlx.Path("/pools").Key(name).Key("options")
		kind, known := kindOf(kinds, p.Worker)
		if !known {
			if entry, ok := c.origin.root.Find(path); ok {
				d.Conceal(entry.Node)
			}
			continue // reported with the other names
		}
		p.Options = newOptions(kind)
		if entry, ok := c.origin.root.Find(path); ok {
			d.Decode(path, entry.Node, p.Options)
		}
		c.Pools[name] = p
	}
}

// check checks what was decoded. Of a value that was refused before nothing more
// is said: what stands in its place is only its absence.
func (o *origin) check(c *Config, r Registry, before []yamlx.Fault) (faults, warnings []yamlx.Fault) {
	if r.Kinds == nil {
		r.Kinds = map[string]pool.Kind{}
	}
	if r.Checks == nil {
		r.Checks = map[string]health.Kind{}
	}
	misspelt := make(map[yamlx.Path]bool) // mappings with a key that is not known
	for _, f := range before {
		if _, known := o.root.Find(f.Path); !known {
			misspelt[f.Path.Parent()] = true
		}
	}
	k := checker{c: c, registry: r}
	k.all()
	for _, f := range k.faults {
		_, stands := o.root.Find(f.Path)
		switch {
		case f.Warning:
			warnings = append(warnings, f)
		case !o.bad(f.Path) && (stands || !misspelt[f.Path.Parent()]):
			faults = append(faults, f)
		}
	}
	return faults, warnings
}

// bad reports whether the value at a path, or one that it is part of, was
// refused before.
func (o *origin) bad(path yamlx.Path) bool {
	for p := path; p != ""; p = p.Parent() {
		if entry, ok := o.root.Find(p); ok && entry.Node.Bad {
			return true
		}
	}
	return false
}

// placed fills in the positions of faults that know only their path.
func (o *origin) placed(faults []yamlx.Fault) []yamlx.Fault {
	for i := range faults {
		if faults[i].Pos.Line == 0 {
			faults[i].Pos, _ = o.locate(faults[i].Path)
		}
	}
	return faults
}

// maxProblems bounds what is reported of one file: nobody reads more, and the
// places of a million problems would take long to find.
const maxProblems = 100

// refuse makes the one error of all faults.
func (o *origin) refuse(faults []yamlx.Fault) error {
	yamlx.Sort(o.placed(faults))
	more := len(faults) - maxProblems
	faults = faults[:min(len(faults), maxProblems)]
	problems := make(fault.Problems, 0, len(faults))
	for _, f := range faults {
		problems = append(problems, o.describe(f))
	}
	if more > 0 {
		problems = append(problems, fault.Problem{
			Message: fmt.Sprintf("and %d more", more), Position: problems[maxProblems-1].Position, Excerpt: problems[maxProblems-1].Excerpt,
		})
	}
	return problems.Err(component, filepath.Base(o.file))
}

// Render writes an error of this package for people: each problem with its
// place, the line and a caret. Other errors are written as they are.
func Render(err error) string {
	problems := problemsOf(err)
	if len(problems) == 0 {
		return textOf(err) + "\n"
	}
	var b strings.Builder
	for _, p := range problems {
		b.WriteString(p.String() + "\n")
		for line := range strings.Lines(p.Excerpt) {
			b.WriteString("    " + line)
		}
		if p.Excerpt != "" {
			b.WriteString("\n")
		}
	}
	if n := len(problems); n > 1 {
		fmt.Fprintf(&b, "%d problems\n", n)
	}
	return b.String()
}
