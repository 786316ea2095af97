package upstreams

import (
	"net/http"
	"net/url"
)

// Peer is how a host is reached. Nobody changes it.
type Peer struct {
	// URL is where requests go; its path is put before theirs.
	URL *url.URL
	// Transport makes the round trips, Changes those that offer another protocol; nil: as all
	// others.
	Transport, Changes *http.Transport
}
