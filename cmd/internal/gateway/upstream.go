package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/elixirscope/foundation/cmd/internal/settings"
)

// The limits of connections to upstreams. The idle ones are kept generously:
// the default of net/http, 2 per host, makes a proxy under load dial for almost
// every request.
const (
	dialTimeout         = 5 * time.Second
	keepAlive           = 30 * time.Second
	tlsHandshakeTimeout = 5 * time.Second
	idleConnTimeout     = 60 * time.Second
	maxIdlePerHost      = 1024
	maxResponseHeader   = 1 << 20
	// How long a client that waits for 100 (Continue) is kept from sending its body by
	// an upstream that says nothing. One that knows nothing of it waits for the body.
	expectContinueTimeout = time.Second
	// A usual answer then comes in with one read, and in one piece, which spares a
	// write as well. The 4 KiB of net/http cost 6 % at answers of 10 KiB.
	connBuffer = bufferSize
)

// upstreamURL reads the address of an upstream.
func upstreamURL(text string) (*url.URL, error) {
	target, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("invalid URL: %w", errors.Unwrap(err))
	case target.Scheme != "http" && target.Scheme != "https":
		return nil, errors.New(`invalid URL of an upstream: write http://HOST:PORT or https://HOST:PORT`)
	case target.Hostname() == "":
		return nil, errors.New("names no host: write http://HOST:PORT")
	case target.RawQuery != "" || target.Fragment != "" || target.User != nil:
		return nil, errors.New("must not have a query, a fragment or a user")
	}
	return target, nil
}

// clientTLS says how an upstream proves who it is, and how the gateway does.
func clientTLS(c settings.UpstreamTLS, files pemFiles) (*tls.Config, error) {
	security := &tls.Config{ServerName: c.ServerName, MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		security.RootCAs = x509.NewCertPool()
		if !security.RootCAs.AppendCertsFromPEM([]byte(files.ca)) {
			return nil, fmt.Errorf("tls.ca_file: %s holds no certificate in PEM form", c.CAFile)
		}
	}
	if c.CertFile != "" {
		pair, err := tls.X509KeyPair([]byte(files.cert), []byte(files.key))
		if err != nil {
			return nil, fmt.Errorf("tls.cert_file %s and tls.key_file %s: %w", c.CertFile, c.KeyFile, err)
		}
		security.Certificates = []tls.Certificate{pair}
	}
	return security, nil
}

// newTransport returns the connections to one upstream. Compression stays
// between client and upstream, and no proxy of the environment is asked: the
// upstream is what the configuration says.
func newTransport(id peerID, security *tls.Config) *http.Transport {
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}
	dial := dialer.DialContext
	if id.address != "" {
		dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, id.address)
		}
	}
	t := &http.Transport{
		DialContext:            dial,
		TLSClientConfig:        security,
		TLSHandshakeTimeout:    tlsHandshakeTimeout,
		MaxIdleConnsPerHost:    maxIdlePerHost,
		IdleConnTimeout:        idleConnTimeout,
		MaxResponseHeaderBytes: maxResponseHeader,
		ExpectContinueTimeout:  expectContinueTimeout,
		ReadBufferSize:         connBuffer,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true,
	}
	switch {
	case id.h2c:
		t.Protocols = new(http.Protocols)
		t.Protocols.SetUnencryptedHTTP2(true)
	case id.http1:
		speakHTTP1(t, dialer, security, id.address)
	}
	return t
}
