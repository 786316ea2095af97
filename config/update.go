package config

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/elixirscope/foundation/config/internal/jsontree"
	"github.com/elixirscope/foundation/config/internal/yamlx"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/suggest"
)

// limits of a patch are those of a file.
var (
	limits      = limitsOf(yamlx.Small)
	largeLimits = limitsOf(yamlx.Large)
)

func limitsOf(s yamlx.Size) jsontree.Limits {
	return jsontree.Limits{Bytes: s.Bytes, Depth: yamlx.MaxDepth, Values: s.Nodes, Text: yamlx.MaxText}
}

// Update sets one value of the document in force, named by a JSON Pointer (RFC 6901),
// as in "/breakers/payments/window"; nil removes what stands there. The value is one
// of JSON, as in [Config.MarshalJSON], with durations and sizes as text; a struct of
// this package, as [Breaker]; a [time.Duration]; or whatever else encoding/json
// writes. Settings on the way that the document leaves out are made; a part that it
// does not name is refused, so that a misspelt name makes none. In a list "-" stands
// for a new element at the end. All else is as for [Server.Apply].
func (s *Server) Update(ctx context.Context, pointer string, value any, by By) (Applied, error) {
	keys, problem := jsontree.Pointer(pointer)
	if problem != "" {
		return s.refuseAtOnce(invalid(pointer, problem))
	}
	tree, err := jsonOf(value)
	if err != nil {
		return s.refuseAtOnce(invalid(pointer, "the value cannot be written as JSON: "+err.Error()))
	}
	wanted := "set " + pointer
	if tree == nil {
		wanted = "remove " + pointer
	}
	return s.patch(ctx, by, []string{wanted}, func(now *Config, document map[string]any) (any, error) {
		out, missing := jsontree.Set(document, keys, tree, func(depth int) bool {
			return !yamlx.IsEntry(s.settings(now), keys[:depth])
		})
		if missing != nil {
			return nil, notThere(keys, missing)
		}
		return out, nil
	})
}

// Patch changes the document in force by a JSON merge patch (RFC 7396) on its JSON
// form, see [Config.MarshalJSON]: what the patch does not name stays, null removes,
// lists are replaced as a whole. All else is as for [Server.Apply].
func (s *Server) Patch(ctx context.Context, mergePatch []byte, by By) (Applied, error) {
	tree, err := jsontree.Parse(mergePatch, limits)
	if err != nil {
		return s.refuseText(ctx, "a merge patch", mergePatch, by, unreadable(err))
	}
	patch, ok := tree.(map[string]any)
	if !ok {
		return s.refuseText(ctx, "a merge patch", mergePatch, by, invalid("", "a merge patch is an object, as in {\"breakers\": {\"payments\": {\"window\": \"5s\"}}}"))
	}
	var wanted []string
	for _, leaf := range jsontree.Leaves(patch) {
		const most = 50
		if len(wanted) == most {
			wanted = append(wanted, "and more")
			break
		}
		wanted = append(wanted, "patch "+leaf)
	}
	return s.patch(ctx, by, wanted, func(_ *Config, document map[string]any) (any, error) {
		return jsontree.Merge(document, patch), nil
	})
}

// patch applies the configuration whose document is the one in force as edit changes
// it.
func (s *Server) patch(ctx context.Context, by By, wanted []string, edit func(*Config, map[string]any) (any, error)) (Applied, error) {
	c := change{by: by, source: by.source(sourceInCode), wanted: wanted}
	c.next = func(now *Config) (*Config, error) {
		document, err := edit(now, now.document())
		if err != nil {
			return nil, err
		}
		var over *Config
		if by.API {
			over = now
		}
		return s.readTree(ctx, document, now, over)
	}
	return s.change(ctx, c)
}

// settings returns now with all sections, those without settings at zero.
func (s *Server) settings(now *Config) *Config {
	all := *now
	all.Sections = s.options.Parse.prototypes()
	return &all
}

// Rollback puts the document of an earlier revision in force again, as a new revision.
// What variables hold is looked up anew. No secret is recorded: where the document
// held one that was written into it, the rollback is refused unless the same stands
// there now. One over the network is refused if it would change what the local file
// alone sets. All else is as for [Server.Apply].
func (s *Server) Rollback(ctx context.Context, revision uint64, by By) (Applied, error) {
	bounded, cancel := context.WithTimeout(ctx, historyTimeout)
	defer cancel()
	record, err := s.Recorded(bounded, revision)
	if err != nil {
		return s.refuseAtOnce(err)
	}
	c := change{by: by, source: by.source(sourceInCode), to: revision, wanted: []string{fmt.Sprintf("roll back to revision %d", revision)}}
	c.next = func(now *Config) (*Config, error) {
		cfg, err := s.readRecorded(ctx, fmt.Sprintf("revision %d", revision), record.Text, now)
		switch {
		case err != nil:
			return nil, err
		case cfg.hash() == record.Hash:
			return cfg, nil
		}
		return nil, fault.New(fault.Spec{
			Code: fault.InvalidConfig, Component: component,
			Message: fmt.Sprintf("revision %d held a secret that was written into the document, and no secret is recorded: make the change again, with a variable in the place of the secret", revision),
		})
	}
	return s.change(ctx, c)
}

// refuseAtOnce answers a change that made no sense whatever is in force: it is not
// recorded.
func (s *Server) refuseAtOnce(err error) (Applied, error) {
	return Applied{Revision: s.current.Load().Number}, err
}

func invalid(pointer, message string) error {
	return fault.New(fault.Spec{
		Code: fault.InvalidArgument, Component: component, Message: "the change cannot be read",
		Problems: []fault.Problem{{Field: pointer, Message: message, Position: pointer}},
	})
}

// unreadable answers a patch that is not JSON.
func unreadable(err error) error {
	p := fault.Problem{Message: err.Error()}
	if f, ok := err.(*jsontree.Fault); ok { //nolint:errorlint // the parser returns nothing else
		p.Position = fmt.Sprintf("patch:%d:%d", f.Line, f.Column)
	}
	return fault.New(fault.Spec{Code: fault.InvalidArgument, Component: component, Message: "the patch cannot be read", Problems: []fault.Problem{p}})
}

// notThere answers a pointer that leads nowhere.
func notThere(keys []string, m *jsontree.Missing) error {
	path := yamlx.Path("")
	for _, key := range keys[:min(m.Depth+1, len(keys))] {
		path = path.Key(key)
	}
	message := m.Message
	if len(m.Known) > 0 {
		message += suggest.For(keys[m.Depth], slices.Clone(m.Known))
	}
	return fault.New(fault.Spec{
		Code: fault.NotFound, Component: component, Message: "the pointer leads nowhere",
		Problems: []fault.Problem{{Field: path.String(), Message: message, Position: string(path)}},
	})
}

// jsonOf returns a value in its JSON form.
func jsonOf(value any) (any, error) {
	switch v := value.(type) {
	case Secret:
		return string(v), nil
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, below := range v {
			var err error
			if out[key], err = jsonOf(below); err != nil {
				return nil, err
			}
		}
		return out, nil
	case []any:
		out := make([]any, len(v))
		for i, below := range v {
			var err error
			if out[i], err = jsonOf(below); err != nil {
				return nil, err
			}
		}
		return out, nil
	case time.Duration:
		return yamlx.FormatDuration(v), nil
	}
	if yamlx.HasFields(value) {
		return yamlx.Document(value, new(Config).plain), nil
	}
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	return jsontree.Parse(text, limits)
}
