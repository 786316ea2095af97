package config

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/elixirscope/foundation/fault"
)

// ApplyText reads the text of a configuration as [Parse] does, with the options of the
// server, and applies it as [Server.Apply] does. A text that came over the network, see
// [By], may leave what the local file alone sets as it is shown. One that cannot be read
// is recorded as a refused change: with its size and its SHA-256, and without the text
// and the values that its faults quote, because what in it is a secret only a text that
// can be read would tell. name says in the faults where they stand.
func (s *Server) ApplyText(ctx context.Context, name string, text []byte, by By) (Applied, error) {
	c := change{by: by, source: by.source(name), wanted: []string{digest("a document", text)}, raw: true}
	c.next = func(now *Config) (*Config, error) {
		o := s.options.Parse.readingFiles(ctx)
		if by.API {
			o.Over = now
		}
		return Parse(name, text, o)
	}
	return s.change(ctx, c)
}

// ParseText reads the text of a configuration that came over the network as
// [Server.ApplyText] would, and changes nothing: what it returns is for [Server.Plan].
func (s *Server) ParseText(name string, text []byte) (*Config, error) {
	o := s.options.Parse
	o.Over = s.Current().Config
	return Parse(name, text, o)
}

// refuseText records and answers a text that says nothing that could be done.
func (s *Server) refuseText(ctx context.Context, what string, text []byte, by By, err error) (Applied, error) {
	return s.change(ctx, change{
		by: by, source: by.source(sourceInCode), wanted: []string{digest(what, text)}, raw: true,
		next: func(*Config) (*Config, error) { return nil, err },
	})
}

// digest tells a text apart from others without any of it.
func digest(what string, text []byte) string {
	return fmt.Sprintf("%s of %d bytes that was not read, SHA-256 %x", what, len(text), sha256.Sum256(text))
}

// withoutValues is err without what its problems quote of a text.
func withoutValues(err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || len(f.Problems()) == 0 {
		return err
	}
	problems := slices.Clone(f.Problems())
	for i := range problems {
		problems[i].Value, problems[i].Excerpt = "", ""
	}
	return fault.New(fault.Spec{Code: f.Code(), Component: f.Component(), Name: f.Name(), Message: f.Message(), Problems: problems})
}
