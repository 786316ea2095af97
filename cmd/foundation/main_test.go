package main_test

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/elixirscope/foundation/internal/pgtest"
)

// These tests run the binary as its users do: as a process, in front of upstream
// servers that are processes, too, and are killed and started again.

// binary is the program under test.
var binary string

func TestMain(m *testing.M) {
	if address := os.Getenv(upstreamAddress); address != "" {
		serveUpstream(address)
	}
	flag.Parse()
	chooseTests()
	os.Exit(runTests(m))
}

// systemTests begin the names of those that take longer than the rest: `make test-system` runs them, and CI.
const systemTests = "^TestSystem_"

// chooseTests leaves them out, or runs them alone, unless tests were named.
func chooseTests() {
	name := "test.skip"
	switch {
	case os.Getenv("FOUNDATION_SYSTEM") != "":
		name = "test.run"
	case flag.Lookup("test.run").Value.String() != "":
		return
	}
	if err := flag.Set(name, systemTests); err != nil {
		panic(err)
	}
}

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "foundation-e2e-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	defer pgtest.Remove()
	binary = filepath.Join(dir, "foundation")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		panic(fmt.Sprintf("go build: %v\n%s", err, out))
	}
	return m.Run()
}

// The upstream is this test program, started again with its address.
const upstreamAddress = "FOUNDATION_TEST_UPSTREAM"

// serveUpstream counts what reaches it, answers after the time that it is asked
// to take, and never returns.
func serveUpstream(address string) {
	var seen atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		n := seen.Add(1)
		if take, err := time.ParseDuration(r.URL.Query().Get("take")); err == nil {
			answer := time.NewTimer(take)
			defer answer.Stop()
			select {
			case <-answer.C:
			case <-r.Context().Done(): // nobody waits for it any more
			}
		}
		fmt.Fprintf(w, "hello %d", n)
	})
	queue := newQueue()
	mux.HandleFunc("/work", func(w http.ResponseWriter, _ *http.Request) { seen.Add(1); queue.work(); fmt.Fprint(w, "done") })
	mux.HandleFunc("/stall", func(http.ResponseWriter, *http.Request) { queue.stall() })
	mux.HandleFunc("/resume", func(http.ResponseWriter, *http.Request) { queue.resume() })
	mux.HandleFunc("/seen", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, seen.Load()) })
	ln, err := net.Listen("tcp", address)
	if err != nil {
		panic(err)
	}
	fmt.Println("ready")
	panic(http.Serve(ln, mux))
}

// queue serves requests one after the other, in the order of their coming, also
// those whose clients have long given up: as a database or a pool of threads does.
type queue struct {
	turn   chan struct{}
	pace   <-chan time.Time // one request at each tick
	resume func()
}

const workTime = 2 * time.Millisecond

func newQueue() *queue { return &queue{turn: make(chan struct{}, 1), pace: time.Tick(workTime)} }

func (q *queue) work() {
	q.turn <- struct{}{}
	<-q.pace
	<-q.turn
}

func (q *queue) stall() {
	q.turn <- struct{}{}
	q.resume = func() { <-q.turn }
}

// process is a program that a test started.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	stderr *output
	exited chan struct{}
}

// output collects what a process writes.
type output struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func start(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, stderr: &output{}, exited: make(chan struct{})}
	if cmd.Stderr == nil {
		cmd.Stderr = p.stderr
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.exited)
		_ = cmd.Wait() // the state has what there is to know
	}()
	t.Cleanup(p.kill)
	return p
}

// kill ends the process as a crash would, and waits for its end.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended already
	<-p.exited
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// wait returns the exit code.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		p.t.Fatalf("%v does not end\n%s", p.cmd.Args, p.stderr)
		return -1
	}
}

// patience is how long a test waits for what must happen; a machine that is busy
// makes a test slow and not red.
const patience = 60 * time.Second

// The ports of freeAddress lie below those that systems give to whoever asks for any, as
// every other test does: one that was free stays free until it is used.
const (
	firstPort = 20_000
	ports     = 10_000
)

// lastPort is that of the last address. It begins somewhere, for another run of the tests
// on the same machine.
var lastPort = func() *atomic.Uint32 {
	n := new(atomic.Uint32)
	n.Store(uint32(os.Getpid()) * 61)
	return n
}()

// freeAddress returns an address that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range ports {
		address := fmt.Sprintf("127.0.0.1:%d", firstPort+lastPort.Add(1)%ports)
		if ln, err := net.Listen("tcp", address); err == nil {
			_ = ln.Close()
			return address
		}
	}
	t.Fatal("no port is free")
	return ""
}

// startUpstream starts an upstream and waits until it answers.
func startUpstream(t *testing.T, address string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), upstreamAddress+"="+address)
	ready, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, cmd)
	if line, err := bufio.NewReader(ready).ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("the upstream did not start: %q %v\n%s", line, err, p.stderr)
	}
	return p
}

// daemon is a running 'foundation serve'.
type daemon struct {
	*process

	file, gateway, admin string
	env                  []string // beside that of the test
	client               *http.Client
}

// serve starts a daemon with the configuration that text makes of its addresses,
// and waits until it is ready.
func serve(t *testing.T, text func(gateway, admin string) string) *daemon {
	t.Helper()
	return serveTo(t, nil, text)
}

// serveTo is serve with a file as stderr; nil collects what is written there.
func serveTo(t *testing.T, stderr *os.File, text func(gateway, admin string) string) *daemon {
	t.Helper()
	d := newDaemon(t)
	d.write(t, text(d.gateway, d.admin))
	d.start(t, stderr)
	return d
}

// newDaemon returns one that has addresses of its own, and neither a configuration nor a process.
func newDaemon(t *testing.T) *daemon {
	t.Helper()
	d := &daemon{
		file: filepath.Join(t.TempDir(), "foundation.yaml"), gateway: freeAddress(t), admin: freeAddress(t),
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 128}, Timeout: patience},
	}
	t.Cleanup(d.client.CloseIdleConnections)
	return d
}

// start starts the process, also once more after its end, and waits until it is ready.
func (d *daemon) start(t *testing.T, stderr *os.File) {
	t.Helper()
	cmd := exec.Command(binary, "serve", "--config", d.file)
	cmd.Env = append(os.Environ(), d.env...)
	if stderr != nil {
		cmd.Stderr = stderr
	}
	d.process = start(t, cmd)
	d.until("it is ready", func() bool { return d.status("http://"+d.admin+"/readyz") == http.StatusOK })
}

func (d *daemon) write(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(d.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// until waits for a condition.
func (d *daemon) until(what string, ok func() bool) {
	d.t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-d.exited:
			d.t.Fatalf("the daemon ended before %s\n%s", what, d.stderr)
		case <-deadline:
			d.t.Fatalf("never: %s\n%s", what, d.stderr)
		}
	}
}

// status asks url and returns the status, 0 if nobody answers.
func (d *daemon) status(url string) int {
	resp, err := d.client.Get(url)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// reply is an answer of the gateway.
type reply struct {
	status     int
	code       string // of a refusal
	retryAfter string
	body       string
}

func (d *daemon) as(user string) reply {
	d.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+d.gateway+"/", http.NoBody)
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header.Set("X-User", user)
	resp, err := d.client.Do(req)
	if err != nil {
		d.t.Fatalf("the gateway did not answer: %v\n%s", err, d.stderr)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	var problem struct{ Code string }
	_ = json.Unmarshal(body, &problem) // an answer of the upstream is no problem
	return reply{resp.StatusCode, problem.Code, resp.Header.Get("Retry-After"), string(body)}
}

// ask reads JSON from the admin API.
func (d *daemon) ask(path string, into any) {
	d.t.Helper()
	raw := d.text("http://" + d.admin + path)
	if err := json.Unmarshal([]byte(raw), into); err != nil {
		d.t.Fatalf("%s: %v\n%s", path, err, raw)
	}
}

func (d *daemon) text(url string) string {
	d.t.Helper()
	resp, err := d.client.Get(url)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return string(raw)
}

// command is one run of the program, which ends with the patience of the test.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "FOUNDATION_ADDR=", "FOUNDATION_CONFIG=")
	return cmd
}

// run runs a command of the program and returns what it wrote and its exit code.
func run(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := command(t, args...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run() // the code says it
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// stop asks the daemon to end and returns its exit code.
func (d *daemon) stop() int {
	d.t.Helper()
	d.signal(syscall.SIGTERM)
	return d.wait()
}
