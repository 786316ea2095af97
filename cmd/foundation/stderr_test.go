package main_test

import (
	"bufio"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

const logAll = "access_log: { mode: all }"

// pipe returns a pipe whose ends are closed with the test.
func pipe(t *testing.T) (reader, writer *os.File) {
	t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = reader.Close() // the test may have closed them
		_ = writer.Close()
	})
	return reader, writer
}

// send sends requests from many clients; all are to be answered.
func (d *daemon) send(requests int64) {
	d.t.Helper()
	var l load
	var left atomic.Int64
	left.Store(requests)
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				l.get(d.client, "http://"+d.gateway+"/")
			}
		})
	}
	wg.Wait()
	if l.ok.Load() != requests {
		d.t.Fatalf("%d of %d answered, first fault: %s", l.ok.Load(), requests, l.first)
	}
}

// metric returns the value of a series as it is written, "" if it is not there.
func (d *daemon) metric(series string) string {
	d.t.Helper()
	for line := range strings.Lines(d.text("http://" + d.admin + "/metrics")) {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

const droppedLines = "foundation_log_lines_dropped_total"

// TestStderr_AStalledReaderStopsNoRequest: more is logged than the pipe and the
// queue hold. When the reader comes back it gets what was kept, in order, is told
// how much it missed, and then all that follows, to the last line.
func TestStderr_AStalledReaderStopsNoRequest(t *testing.T) {
	address := freeAddress(t)
	startUpstream(t, address)
	reader, writer := pipe(t)
	d := serveTo(t, writer, openConfig(address, logAll))
	_ = writer.Close() // ours; the daemon has its own
	if got := d.metric(droppedLines); got != "0" {
		t.Errorf("%s is %q at the start", droppedLines, got)
	}
	d.send(10_000)
	if got := d.metric(droppedLines); got == "0" {
		t.Fatal("nothing was dropped: the test does not stall the log")
	}
	var lines []logLine
	done := make(chan struct{})
	var told atomic.Int64
	go func() {
		defer close(done)
		for in := bufio.NewScanner(reader); in.Scan(); {
			var l logLine
			if err := json.Unmarshal(in.Bytes(), &l); err != nil {
				t.Errorf("%v: %s", err, in.Text())
			}
			if lines = append(lines, l); l.Msg == "log lines were dropped" {
				told.Add(l.Lines)
			}
		}
	}()
	d.until("the reader is told", func() bool { return told.Load() > 0 })
	if code := d.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	<-done
	if last := lines[len(lines)-1]; last.Msg != "stopped" {
		t.Errorf("the last line is %+v", last)
	}
	requests := told.Load()
	for _, l := range lines {
		if l.Msg == "request" {
			requests++
		}
	}
	if requests != 10_000 {
		t.Errorf("%d requests were logged or told as dropped", requests)
	}
}

// logLine is a line of the log.
type logLine struct {
	Msg    string
	Level  string
	Lines  int64
	Status int
	CutBy  string `json:"cut_by"`
	Kind   string
	Error  string
}

func TestStderr_AStalledReaderDoesNotHoldTheEnd(t *testing.T) {
	address := freeAddress(t)
	startUpstream(t, address)
	_, writer := pipe(t)
	d := serveTo(t, writer, openConfig(address, logAll))
	d.send(2_000)
	if code := d.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestStderr_AReaderThatLeavesDoesNotEndTheDaemon(t *testing.T) {
	address := freeAddress(t)
	startUpstream(t, address)
	reader, writer := pipe(t)
	d := serveTo(t, writer, openConfig(address, logAll))
	_ = reader.Close()
	_ = writer.Close()
	d.send(2_000)
	d.signal(syscall.SIGHUP)
	d.until("lines are lost", func() bool { return d.metric(droppedLines) != "0" })
	if code := d.status("http://" + d.admin + "/readyz"); code != http.StatusOK {
		t.Errorf("not ready: %d", code)
	}
	if code := d.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestStderr_ACommandInAPipeStillEndsWithIt: only what serves outlives its reader.
func TestStderr_ACommandInAPipeStillEndsWithIt(t *testing.T) {
	reader, writer := pipe(t)
	_ = reader.Close()
	cmd := command(t, "config", "schema")
	cmd.Stdout = writer
	_ = cmd.Run() // the state says it
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() || status.Signal() != syscall.SIGPIPE {
		t.Errorf("it ended with %v", cmd.ProcessState)
	}
}

// TestStderr_TheStandardLibrarySpeaksThroughTheLog: the transport tells of an
// upstream that talks out of turn through a logger of its own.
func TestStderr_TheStandardLibrarySpeaksThroughTheLog(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go talkOutOfTurn(ln)
	d := serve(t, openConfig(ln.Addr().String(), ""))
	if code := d.status("http://" + d.gateway + "/"); code != http.StatusOK {
		t.Fatalf("status %d", code)
	}
	d.until("it is logged", func() bool { return strings.Contains(d.stderr.String(), "Unsolicited response") })
	for line := range strings.Lines(d.stderr.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("no JSON: %s", line)
		}
	}
}

// talkOutOfTurn answers each connection's first request twice.
func talkOutOfTurn(ln net.Listener) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
			continue
		}
		const answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
		_, _ = conn.Write([]byte(answer))
		_, _ = conn.Write([]byte(answer)) // a moment later, or the transport takes both for one
	}
}
