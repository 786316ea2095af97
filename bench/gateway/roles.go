package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The environment of a process that this program starts of itself.
const (
	roleVariable     = "BENCH_ROLE" // upstream, or a key of transports
	listenVariable   = "BENCH_LISTEN"
	upstreamVariable = "BENCH_UPSTREAM"
)

func play(role string) error {
	handler := http.Handler(http.HandlerFunc(answer))
	if role != upstream {
		target, err := url.Parse(os.Getenv(upstreamVariable))
		if err != nil {
			return fmt.Errorf("read the upstream's address: %w", err)
		}
		handler = proxy(role, target)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	addr := os.Getenv(listenVariable)
	if role == upstream {
		for _, host := range hosts[1:] {
			ln, err := listen(strings.Replace(addr, hosts[0], host, 1))
			if err != nil {
				return err
			}
			go func() { _ = server.Serve(ln) }() // ends with the process
		}
	}
	ln, err := listen(addr)
	if err != nil {
		return err
	}
	return server.Serve(ln)
}

// hosts are the addresses of the upstream, which all have one port.
var hosts = []string{"127.0.0.1", "127.0.0.2", "127.0.0.3"}

func listen(addr string) (net.Listener, error) {
	return new(net.ListenConfig).Listen(context.Background(), "tcp", addr)
}

// answer sends as many bytes as the path says.
func answer(w http.ResponseWriter, r *http.Request) {
	size, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
	if err != nil || size < 0 || size > len(filler) {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(size))
	_, _ = w.Write(filler[:size]) // wrk counts what does not arrive
}

var filler = []byte(strings.Repeat(`{"hello":"world"},`, 10_000))

// The proxies of the standard library: as it comes, which keeps two idle
// connections and allocates 32 KiB for every answer; with enough connections; and
// with a pool of buffers as well, which is the yardstick.
const (
	upstream  = "upstream"
	asItComes = "as it comes"
	connected = "connected"
	tuned     = "tuned"
)

func proxy(role string, target *url.URL) http.Handler {
	p := &httputil.ReverseProxy{Rewrite: func(pr *httputil.ProxyRequest) { pr.SetURL(target); pr.SetXForwarded() }}
	if role != asItComes {
		p.Transport = &http.Transport{MaxIdleConnsPerHost: 1024, DisableCompression: true}
	}
	if role == tuned {
		p.BufferPool = &buffers{sync.Pool{New: func() any { return new([32 << 10]byte) }}}
	}
	return p
}

type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	buffer, _ := b.pool.Get().(*[32 << 10]byte)
	return buffer[:]
}

func (b *buffers) Put(buffer []byte) { b.pool.Put((*[32 << 10]byte)(buffer)) }
