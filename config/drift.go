package config

import (
	"context"
	"fmt"
	"maps"

	"github.com/elixirscope/foundation/config/internal/jsontree"
	"github.com/elixirscope/foundation/config/internal/yamlx"
)

// fileDocument is what the file says.
type fileDocument struct {
	*Config

	hash string
}

func newFileDocument(c *Config) *fileDocument { return &fileDocument{c, c.hash()} }

// fileHash is the hash of what the file said when it was last taken over, "" without a
// file.
func (s *Server) fileHash() string {
	if f := s.file.Load(); f != nil {
		return f.hash
	}
	return ""
}

// drift is what the API has changed since the file was last taken over: the document
// that a restart restores while the file's is the same. What the program's code has
// changed is not in it, because the program makes that again.
type drift struct {
	revision uint64         // the newest one that was made through the API; 0 means no drift
	document map[string]any // with its secrets; nil if it makes no sense without what code has changed
	hash     string         // of the document; "" as for it
	text     string         // of the document, without its secrets
	// pending says that it was found when the history came back and is not in force.
	pending bool
}

// note writes down in a record what a restart restores.
func (d drift) note(r *Record) {
	r.DriftRevision, r.DriftHash, r.DriftText = d.revision, d.hash, d.text
	if d.hash == r.Hash {
		r.DriftText = ""
	}
}

// recorded is the drift that a record tells of, as far as it can be told without the
// secrets of its document.
func recorded(r Record) drift {
	d := drift{revision: r.DriftRevision, hash: r.DriftHash, text: r.DriftText}
	if d.hash != "" && d.text == "" {
		d.text = r.Text
	}
	return d
}

// setDrift REQUIRES: s.turn.
func (s *Server) setDrift(d drift) {
	s.drift = d
	pending := uint64(0)
	if d.pending {
		pending = d.revision
	}
	s.pending.Store(pending)
}

// driftAfter returns what a restart is to restore once next is in force. REQUIRES:
// s.turn.
func (s *Server) driftAfter(ctx context.Context, c change, old, next Revision) drift {
	file := s.file.Load()
	switch {
	case c.drift != nil:
		return *c.drift
	case file == nil || c.file:
		return drift{}
	case c.source != sourceAPI:
		return s.drift
	}
	base := drift{document: file.document(), hash: file.hash}
	if s.drift.revision > 0 && !s.drift.pending {
		base = s.drift
	}
	d := s.driftFrom(ctx, base, old, next)
	if d.hash == file.hash {
		return drift{}
	}
	return d
}

// driftFrom adds to base what the change from old to next has changed.
func (s *Server) driftFrom(ctx context.Context, base drift, old, next Revision) drift {
	d := drift{revision: next.Number}
	restored := next.Config
	if base.hash != old.Hash { // code has changed something, too
		if base.document == nil {
			return d
		}
		patch := jsontree.Diff(old.Config.parts(), next.Config.parts())
		merged := jsontree.Merge(base.document, patch)
		var err error
		if restored, err = s.readTree(ctx, merged, next.Config, nil); err != nil {
			return d
		}
	}
	d.document, d.hash, d.text = restored.document(), restored.hash(), restored.String()
	return d
}

// readTree reads a document in its JSON form. What it leaves as base shows it holds
// what it holds there; over is as in [ParseOptions].
func (s *Server) readTree(ctx context.Context, document any, base, over *Config) (*Config, error) {
	from := &origin{file: "configuration", pointers: true, complete: true}
	return s.readFrom(ctx, from, yamlx.Tree(document), nil, base, over)
}

func (s *Server) readFrom(ctx context.Context, from *origin, root *yamlx.Node, faults []yamlx.Fault, base, over *Config) (*Config, error) {
	o := s.options.Parse.readingFiles(ctx)
	o.Over = over
	cfg, err := from.read(root, faults, base, o)
	if err == nil {
		cfg.checkedBy, cfg.hashed = s, cfg.hash()
	}
	return cfg, err
}

// start puts in force what the file says, or what was changed through the API since.
func (s *Server) start(ctx context.Context) error {
	cfg, err := s.first(ctx)
	if err != nil {
		return err
	}
	if s.options.OpenHistory != nil {
		h, err := s.options.OpenHistory(ctx, cfg)
		if err != nil {
			return err
		}
		s.records.use(h)
	}
	last, err := s.records.last(ctx)
	switch {
	case err == nil:
	case isAway(err) && ctx.Err() == nil:
		s.records.lose(err, true)
	default:
		return err
	}
	c := s.beginning(cfg, last, drift{})
	c.file = s.options.File != ""
	if c.file && last.DriftRevision > 0 {
		s.drift = recorded(last)
		if c.why, err = s.restore(ctx, cfg, last); err == nil && c.why == "" || ctx.Err() != nil {
			return err
		}
	}
	_, err = s.change(ctx, c)
	return err
}

// beginning is the change that puts the first configuration in force: the last revision
// of the history, if that says the same, or the next one.
func (s *Server) beginning(cfg *Config, last Record, d drift) change {
	c := change{source: cfg.source(), drift: &d, next: func(*Config) (*Config, error) { return cfg, nil }}
	c.number = last.Revision + 1
	if last.Revision > 0 && last.Hash == cfg.hash() && last.FileHash == s.fileHash() && last.DriftRevision == d.revision {
		c.number, c.recorded = last.Revision, true
	}
	return c
}

// restore puts in force what was changed through the API, if the file's document is
// the one that this was made on, and otherwise says why not.
func (s *Server) restore(ctx context.Context, file *Config, last Record) (why string, err error) {
	d := s.drift
	switch {
	case last.FileHash != s.fileHash():
		return "the file has changed", nil
	case d.hash == "":
		return "it makes no sense without what the program's code had changed", nil
	}
	cfg, err := s.readRecorded(ctx, fmt.Sprintf("revision %d", d.revision), d.text, file)
	switch {
	case ctx.Err() != nil:
		return "", gaveUp(ctx)
	case err != nil:
		return "it cannot be read any more: " + err.Error(), nil //nolint:nilerr // that is the answer
	case cfg.hash() != d.hash:
		return "it held a secret that was written into it, and no secret is recorded", nil
	}
	d.document = cfg.document()
	c := s.beginning(cfg, last, d)
	c.source = sourceAPI
	c.by = By{Reason: fmt.Sprintf("revision %d was made through the API, and the file has not changed since", d.revision)}
	if _, err = s.change(ctx, c); err != nil && ctx.Err() == nil {
		return "it cannot be put in force any more: " + err.Error(), nil
	}
	return "", err
}

// readRecorded reads the text of a record. Secrets that it hides are those of base.
func (s *Server) readRecorded(ctx context.Context, name, text string, base *Config) (*Config, error) {
	from := &origin{file: name, text: []byte(text), complete: true}
	root, faults := yamlx.Large.Parse(from.text)
	if root == nil {
		return nil, from.refuse(faults)
	}
	return s.readFrom(ctx, from, root, faults, base, nil)
}

// refreshed returns now with the variables that the file names as it has them now.
func (s *Server) refreshed(ctx context.Context, now *Config, file *Config) (*Config, error) {
	from := &origin{file: "configuration", pointers: true, complete: true, fresh: make(map[string]string)}
	for n := range file.origin.root.All {
		if n.Expanded {
			from.fresh[n.Raw] = n.Text
		}
	}
	next, err := s.readFrom(ctx, from, yamlx.Tree(now.document()), nil, now, nil)
	if err == nil && maps.Equal(yamlx.Flatten(*next, never), yamlx.Flatten(*now, never)) {
		return now, nil
	}
	return next, err
}
