package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"github.com/elixirscope/foundation/config/internal/jsontree"
	"github.com/elixirscope/foundation/config/internal/yamlx"
	"github.com/elixirscope/foundation/fault"
)

// Compare lists what changes when next takes the place of a configuration of which only
// what is shown is known: its document in the JSON form of [Config.MarshalJSON], with its
// [Revision] hash, "" if it is not known. It is [Diff] for a program that does not hold the old
// configuration, as a client of the admin API.
//
// Variables are compared as they are written, because what they hold elsewhere is not known.
// Whether secrets that next writes out are those that the document hides, the hash tells; where
// it cannot tell which of several are not, unsure lists their fields and changes says nothing
// of them.
func Compare(document []byte, hash string, next *Config, r Registry) (changes []Change, unsure []string, err error) {
	if hash != "" && next.hash() == hash {
		return nil, nil, nil
	}
	tree, err := jsontree.Parse(document, largeLimits)
	if err != nil {
		return nil, nil, unreadableDocument(err.Error())
	}
	shown, err := readShown(yamlx.Tree(tree), next, r)
	if err != nil {
		return nil, nil, err
	}
	d := differ{before: yamlx.Flatten(*shown.Config, shown.veil), after: yamlx.Flatten(*next, next.veil)}
	for path, n := range shown.unknown {
		d.before[path] = yamlx.Leaf{Value: n.Raw, Shown: n.Raw}
	}
	switch {
	case len(shown.guessed) == 0 || !shown.lost && shown.hash() == hash:
	case len(shown.guessed) == 1 && !shown.lost && hash != "":
		d.before[shown.guessed[0]] = yamlx.Leaf{Value: otherSecret, Shown: hidden}
	default:
		for _, path := range shown.guessed {
			unsure = append(unsure, path.String())
		}
	}
	changes = d.compare(shown.Config, next, r.Sections)
	for i := range changes {
		c := &changes[i]
		if c.Section == "pools" && c.Action == changed && !c.Renewed && shown.unknown[yamlx.Path("/pools").Key(c.Name).Key("size")] != nil {
			c.Effect = "grows or shrinks to its new size"
		}
	}
	return changes, unsure, nil
}

// otherSecret is no secret: texts have no such character.
const otherSecret = "\x00"

// shownConfig is a configuration as far as what is shown of it tells.
type shownConfig struct {
	*Config

	// unknown are the values that variables give it and another configuration does not.
	unknown map[yamlx.Path]*yamlx.Node
	// guessed are hidden secrets that were taken to be those of another configuration.
	guessed []yamlx.Path
	// lost tells that another hidden secret is not known.
	lost bool
}

// readShown reads what is shown of a configuration. What it hides, and variables, are taken
// to be what other has at the same place.
func readShown(root *yamlx.Node, other *Config, r Registry) (*shownConfig, error) {
	known := yamlx.Named(*other, other.veil, func(_ yamlx.Path, leaf yamlx.Leaf) bool { return leaf.Shown != leaf.Value })
	yamlx.Keep(root, known, hidden)
	s := &shownConfig{Config: &Config{Sections: r.prototypes()}, unknown: make(map[yamlx.Path]*yamlx.Node)}
	for path, n := range root.Leaves {
		switch {
		case n.Expanded && n.Raw == hidden:
			s.guessed = append(s.guessed, path)
		case !n.Expanded && yamlx.HasVariable(n.Raw):
			s.unknown[path] = n
			n.Expanded = true
		case !n.Expanded:
			s.lost = s.lost || n.Raw == hidden
			n.Text = yamlx.Plain(n.Text)
		}
	}
	var d yamlx.Decoder
	d.Decode("", root, s.Config)
	s.origin = &origin{file: "configuration", root: root, pointers: true, complete: true}
	decodeOptions(s.Config, &d, r.Kinds)
	s.dropEmptyMaps()
	faults := slices.DeleteFunc(d.Faults, func(f yamlx.Fault) bool { return s.unknown[f.Path] != nil })
	if len(faults) > 0 {
		return nil, unreadableDocument(faults[0].Path.String() + ": " + faults[0].Message)
	}
	return s, nil
}

// hash is that of the document with the secrets that were guessed.
func (s *shownConfig) hash() string {
	text, _ := json.Marshal(s.origin.root.Document()) // of texts, numbers and booleans
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func unreadableDocument(message string) error {
	return fault.New(fault.Spec{
		Code: fault.InvalidArgument, Component: component,
		Message: "what is shown of the configuration in force cannot be read; is it that of another version? " + strings.TrimSpace(message),
	})
}
