package gateway

import (
	"context"
	"net/http"

	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/internal/localfile"
)

// connections are those of a table to its upstreams. Routes to one upstream share
// them, and a table takes over those of the table before it that are still right:
// a reload must not make every client wait for new connections, nor an upstream
// for a wave of them.
type connections map[peerID]*http.Transport

// peerID is all that connections depend on: with the same, they are as good as new
// ones.
type peerID struct {
	scheme, host string
	h2c          bool
	http1        bool // and no other, for a change of protocol
	serverName   string
	files        pemFiles
	address      string // to connect to in place of host; empty: host is looked up for each connection
}

// pemFiles is what the files of an upstream's tls settings hold. A file that was
// renewed makes new connections, because the old ones rest on the old file.
type pemFiles struct{ ca, cert, key string }

func readPEM(ctx context.Context, c settings.UpstreamTLS) (f pemFiles, err error) {
	for _, file := range []struct {
		path string
		into *string
	}{{c.CAFile, &f.ca}, {c.CertFile, &f.cert}, {c.KeyFile, &f.key}} {
		if file.path == "" {
			continue
		}
		content, err := localfile.Read(ctx, file.path, localfile.MaxSecret)
		if err != nil {
			return pemFiles{}, err //nolint:wrapcheck // it names the file and what is wrong with it
		}
		*file.into = string(content)
	}
	return f, nil
}

// to returns the connections to id: those that there are, those of old, or new ones.
func (c connections) to(id peerID, settings settings.UpstreamTLS, old connections) (*http.Transport, error) {
	for _, known := range []connections{c, old} {
		if t := known[id]; t != nil {
			c[id] = t
			return t, nil
		}
	}
	security, err := clientTLS(settings, id.files)
	if err != nil {
		return nil, err
	}
	c[id] = newTransport(id, security)
	return c[id], nil
}

// CloseIdle closes the connections to upstreams that serve no request.
func (g *Gateway) CloseIdle() {
	t := g.table.Load()
	t.connections.closeIdle(nil)
	t.leaveLookups(nil)
}

// closeIdle closes what nobody needs any more: all but what is kept. Connections
// that serve a request are closed after it.
func (c connections) closeIdle(kept connections) {
	for id, t := range c {
		if kept[id] != t {
			t.CloseIdleConnections()
		}
	}
}
