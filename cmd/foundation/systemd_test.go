package main_test

import (
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// manager is what a service manager hears of its service.
type manager struct {
	*testing.T

	socket *net.UnixConn
	path   string
}

func listenAsManager(t *testing.T) *manager {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	return &manager{t, socket, path}
}

// next returns the assignments of the next message that has the first of them, as
// READY=1; pings and what is told of the health in between are left out.
func (m *manager) next(first string) map[string]string {
	m.Helper()
	if err := m.socket.SetReadDeadline(time.Now().Add(patience)); err != nil {
		m.Fatal(err)
	}
	for {
		buffer := make([]byte, 4096)
		n, err := m.socket.Read(buffer)
		if err != nil {
			m.Fatalf("the manager never hears %s: %v", first, err)
		}
		lines := strings.Split(string(buffer[:n]), "\n")
		if lines[0] != first {
			if !slices.Contains([]string{"WATCHDOG", "STATUS"}, strings.Split(lines[0], "=")[0]) {
				m.Fatalf("the manager hears %q and waits for %s", buffer[:n], first)
			}
			continue
		}
		said := map[string]string{}
		for _, line := range lines {
			name, value, _ := strings.Cut(line, "=")
			said[name] = value
		}
		return said
	}
}

// TestTheServiceManagerIsTold follows a daemon from its start to its end as systemd does
// with Type=notify-reload.
func TestTheServiceManagerIsTold(t *testing.T) {
	m := listenAsManager(t)
	d := &daemon{
		file: filepath.Join(t.TempDir(), "foundation.yaml"), gateway: freeAddress(t), admin: freeAddress(t), client: &http.Client{Timeout: patience},
	}
	t.Cleanup(d.client.CloseIdleConnections)
	good := openConfig(freeAddress(t), "")(d.gateway, d.admin)
	d.write(t, good)
	cmd := exec.Command(binary, "serve", "--config", d.file)
	cmd.Env = append(cmd.Environ(), "NOTIFY_SOCKET="+m.path, "WATCHDOG_USEC=300000")
	d.process = start(t, cmd)

	if said := m.next("READY=1"); !strings.HasPrefix(said["STATUS"], "revision 1, health pass") {
		t.Errorf("at the start: %v", said)
	}
	if got := d.status("http://" + d.admin + "/readyz"); got != http.StatusOK {
		t.Errorf("told to be ready, but /readyz answers %d", got)
	}
	m.next("WATCHDOG=1")
	m.next("WATCHDOG=1")

	var before int64
	for _, c := range []struct{ text, status string }{
		{strings.Replace(good, "timeout: 30s", "timeout: 20s", 1), "revision 2, health pass"},
		{"nonsense: true\n", "the configuration is refused, see 'foundation status'; revision 2"},
	} {
		d.write(t, c.text)
		d.signal(syscall.SIGHUP)
		at, err := strconv.ParseInt(m.next("RELOADING=1")["MONOTONIC_USEC"], 10, 64)
		if err != nil || at <= before {
			t.Errorf("the reload begins at %d after one at %d: %v", at, before, err)
		}
		before = at
		if said := m.next("READY=1"); !strings.HasPrefix(said["STATUS"], c.status) {
			t.Errorf("after the reload: %v, want %s", said, c.status)
		}
	}

	d.signal(syscall.SIGTERM)
	if said := m.next("STOPPING=1"); !strings.HasPrefix(said["STATUS"], "draining, ") {
		t.Errorf("at the end: %v", said)
	}
	if code := d.wait(); code != 0 {
		t.Errorf("exit code %d\n%s", code, d.stderr)
	}
}

// A process that checks of its own call dead is started anew by the manager, as the
// kubelet would by /livez: it hears no ping.
func TestTheWatchdogIsNotToldOfADaemonThatIsNotLive(t *testing.T) {
	m := listenAsManager(t)
	d := &daemon{file: filepath.Join(t.TempDir(), "foundation.yaml"), admin: freeAddress(t), client: &http.Client{Timeout: patience}}
	t.Cleanup(d.client.CloseIdleConnections)
	d.write(t, "version: 1\nadmin: { listen: \""+d.admin+"\" }\nhealth: { checks: { gone: { tcp: \""+freeAddress(t)+"\", liveness: true } } }\n")
	cmd := exec.Command(binary, "serve", "--config", d.file)
	cmd.Env = append(cmd.Environ(), "NOTIFY_SOCKET="+m.path, "WATCHDOG_USEC=30000")
	d.process = start(t, cmd)
	var heard atomic.Int64
	pings := make(chan int64, 1)
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, err := m.socket.Read(buffer)
			if err != nil {
				pings <- heard.Load()
				return
			}
			heard.Add(int64(strings.Count(string(buffer[:n]), "WATCHDOG=1")))
		}
	}()
	d.until("it is not live", func() bool { return d.status("http://"+d.admin+"/livez") == http.StatusServiceUnavailable })
	d.until("the log says why it will be started anew", func() bool { return strings.Contains(d.stderr.String(), `"why":"gone fails"`) })
	before := heard.Load()
	d.signal(syscall.SIGTERM)
	if code := d.wait(); code != 0 {
		t.Errorf("exit code %d\n%s", code, d.stderr)
	}
	if err := m.socket.SetReadDeadline(time.Now()); err != nil { // ends the reading
		t.Fatal(err)
	}
	if after := <-pings - before; after != 0 {
		t.Errorf("%d pings of a daemon that is not live", after)
	}
}

// A manager that does not read must not hold up what the daemon is there for.
func TestAServiceManagerThatDoesNotReadHoldsUpNothing(t *testing.T) {
	m := listenAsManager(t)
	d := &daemon{file: filepath.Join(t.TempDir(), "foundation.yaml"), admin: freeAddress(t), client: &http.Client{Timeout: patience}}
	t.Cleanup(d.client.CloseIdleConnections)
	text := func(limit string) string {
		return "version: 1\nadmin: { listen: \"" + d.admin + "\" }\nrate_limits: { a: { limit: " + limit + ", per: 1s } }\n"
	}
	d.write(t, text("1"))
	cmd := exec.Command(binary, "serve", "--config", d.file)
	cmd.Env = append(cmd.Environ(), "NOTIFY_SOCKET="+m.path, "WATCHDOG_USEC=3000")
	d.process = start(t, cmd)
	var s struct{ Config struct{ Revision uint64 } }
	d.until("it is ready", func() bool { return d.status("http://"+d.admin+"/readyz") == http.StatusOK })
	for i := range 30 { // more than the socket takes
		d.write(t, text(strconv.Itoa(i+2)))
		d.until("the file is in force", func() bool {
			d.signal(syscall.SIGHUP)
			d.ask("/v1/status", &s)
			return s.Config.Revision == uint64(i+2)
		})
	}
	d.signal(syscall.SIGTERM)
	d.wait() // the code says that the service had to be left behind
}
