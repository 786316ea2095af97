package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// contender is a proxy that runs.
type contender struct {
	name string
	url  string
	pid  int
}

// start starts the upstream and every contender; stop ends them all.
func (p plan) start(ctx context.Context) (all []contender, stop func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	folder, err := os.MkdirTemp("", "bench-gateway-")
	s := &starter{ctx: ctx, folder: folder, err: err}
	stop = func() {
		cancel() // kills the processes
		for _, cmd := range s.started {
			_ = cmd.Wait() // killed, as it was meant
		}
		_ = os.RemoveAll(folder)
	}
	s.upstream = "http://" + s.itself(upstream, "", "")
	all = []contender{
		s.proxy("ReverseProxy, tuned", func(addr string) { s.itself(tuned, addr, "") }),
		s.proxy("the same, GOGC=800", func(addr string) { s.itself(tuned, addr, "GOGC=800") }),
		s.proxy("ReverseProxy, 1024 idle connections", func(addr string) { s.itself(connected, addr, "") }),
		s.proxy("ReverseProxy as it comes", func(addr string) { s.itself(asItComes, addr, "") }),
		s.proxy("foundation serve", func(addr string) {
			s.run(exec.CommandContext(ctx, p.foundation, "serve", "--config", s.write("foundation.yaml", s.ours(addr, s.upstream))))
		}),
		s.proxy("foundation serve, 3 upstreams", func(addr string) {
			s.run(exec.CommandContext(ctx, p.foundation, "serve", "--config", s.write("upstreams.yaml", s.ours(addr, s.threeHosts()...))))
		}),
	}
	if caddy, err := exec.LookPath("caddy"); err == nil {
		name := "Caddy " + firstWord(exec.CommandContext(ctx, caddy, "version"))
		all = append(all, s.proxy(name, func(addr string) {
			s.run(exec.CommandContext(ctx, caddy, "run", "--adapter", "caddyfile", "--config", s.write("Caddyfile", s.caddyfile(addr))))
		}))
	}
	return all, stop, s.err
}

// starter starts processes until the first error.
type starter struct {
	ctx      context.Context //nolint:containedctx // of the processes
	folder   string
	upstream string
	started  []*exec.Cmd
	err      error
}

// proxy starts a contender on a free port and waits until it answers.
func (s *starter) proxy(name string, start func(addr string)) contender {
	addr := s.freeAddress()
	start(addr)
	if s.err == nil {
		s.err = answers(s.ctx, "http://"+addr+"/"+strconv.Itoa(sizes[0]))
	}
	if s.err != nil {
		s.err = fmt.Errorf("start %s: %w", name, s.err)
		return contender{}
	}
	return contender{name: name, url: "http://" + addr, pid: s.started[len(s.started)-1].Process.Pid}
}

// itself starts this program in another role and returns its address.
func (s *starter) itself(role, addr, env string) string {
	if addr == "" {
		addr = s.freeAddress()
	}
	cmd := exec.CommandContext(s.ctx, os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"="+role, listenVariable+"="+addr, upstreamVariable+"="+s.upstream)
	if env != "" {
		cmd.Env = append(cmd.Env, env)
	}
	s.run(cmd)
	return addr
}

func (s *starter) run(cmd *exec.Cmd) {
	if s.err != nil {
		return
	}
	if s.err = cmd.Start(); s.err == nil {
		s.started = append(s.started, cmd)
	}
}

func (s *starter) freeAddress() string {
	if s.err != nil {
		return ""
	}
	var ln net.Listener
	if ln, s.err = new(net.ListenConfig).Listen(s.ctx, "tcp", "127.0.0.1:0"); s.err != nil {
		return ""
	}
	defer ln.Close()
	return ln.Addr().String()
}

func (s *starter) write(name, text string) string {
	path := filepath.Join(s.folder, name)
	if s.err == nil {
		s.err = os.WriteFile(path, []byte(text), 0o600)
	}
	return path
}

// threeHosts are three addresses of the one upstream, so that what they cost is the choice
// among them and not two more processes.
func (s *starter) threeHosts() (urls []string) {
	for _, host := range hosts {
		urls = append(urls, strings.Replace(s.upstream, hosts[0], host, 1))
	}
	return urls
}

// ours has what a usual route has, and limits that nobody reaches.
func (s *starter) ours(addr string, upstreams ...string) string {
	return fmt.Sprintf(`version: 1
admin: { listen: "off" }
breakers: { b: {} }
rate_limits: { l: { limit: 10000000, per: 1s } }
guards: { g: { breaker: b, rate_limit: l, timeout: 5s, concurrency: 1000 } }
gateway:
  listen: %q
  routes: [ { match: "/", upstreams: [ %s ], guard: g, key: "{remote_ip}" } ]
`, addr, strings.Join(upstreams, ", "))
}

func (s *starter) caddyfile(addr string) string {
	return fmt.Sprintf("{\n\tadmin off\n\tauto_https off\n}\nhttp://%s {\n\treverse_proxy %s\n}\n", addr, strings.TrimPrefix(s.upstream, "http://"))
}

// answers waits until the address answers as it should.
func answers(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	for range 100 {
		var resp *http.Response
		if resp, err = http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			err = fmt.Errorf("%s answered %s", url, resp.Status)
		}
		time.Sleep(100 * time.Millisecond)
	}
	return err
}

func firstWord(cmd *exec.Cmd) string {
	out, err := cmd.Output()
	if fields := strings.Fields(string(out)); err == nil && len(fields) > 0 {
		return fields[0]
	}
	return ""
}
