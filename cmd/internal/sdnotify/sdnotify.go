// Package sdnotify tells the service manager how the process is: systemd, or another
// that speaks its protocol (sd_notify). What is told is queued and sent by a service,
// so that a manager that does not read holds up neither a reload nor the stop.
package sdnotify

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

const (
	// statusEvery is how often the status is renewed where there is no watchdog.
	statusEvery = 10 * time.Second
	// pings is how many fit into the time after which the watchdog bites: one that is
	// late, or lost, is not the end of the process.
	pings = 3
	// maxQueued bounds what waits for a manager that does not read.
	maxQueued = 64
)

// Notifier talks to the service manager. A nil one has nobody to talk to and does nothing.
// It is safe for concurrent use.
type Notifier struct {
	send     func(state string) error
	watchdog time.Duration // 0 if there is none
	wake     chan struct{} // holds one while something is queued

	mu       sync.Mutex // guards what follows
	queue    []string
	stopping bool
}

// New returns a notifier for the manager that NOTIFY_SOCKET and WATCHDOG_USEC name, or
// nil if lookup finds no socket. A watchdog that cannot be understood is an error, beside
// a notifier that serves without one.
func New(lookup func(string) (string, bool)) (*Notifier, error) {
	if socket, _ := lookup("NOTIFY_SOCKET"); socket == "" {
		return nil, nil //nolint:nilnil // nobody to talk to is the usual case, and no fault
	}
	watchdog, err := daemon.SdWatchdogEnabled(false)
	return newNotifier(send, watchdog), err
}

func newNotifier(send func(string) error, watchdog time.Duration) *Notifier {
	return &Notifier{send: send, watchdog: watchdog, wake: make(chan struct{}, 1)}
}

func send(state string) error {
	_, err := daemon.SdNotify(false, state)
	return err
}

// Ready says that the process serves, after its start or after a reload.
func (n *Notifier) Ready(status string) { n.tell(daemon.SdNotifyReady + "\n" + statusLine(status)) }

// Reloading says that a reload has begun. Ready has to follow, whatever comes of it.
func (n *Notifier) Reloading() {
	n.tell(daemon.SdNotifyReloading + "\n" + strings.TrimSuffix(daemon.SdNotifyMonotonicUsec(), "\n"))
}

// Stopping says that the process is about to end. What is said of reloads from then on
// is not told any more.
func (n *Notifier) Stopping(status string) {
	n.tell(daemon.SdNotifyStopping + "\n" + statusLine(status))
	if n != nil {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.stopping = true
	}
}

// statusLine is one line, which a message consists of.
func statusLine(status string) string {
	return "STATUS=" + strings.Join(strings.Fields(status), " ")
}

func (n *Notifier) tell(state string) {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.stopping {
		return
	}
	n.enqueueLocked(state)
}

func (n *Notifier) enqueueLocked(state string) {
	if len(n.queue) == maxQueued {
		n.queue = n.queue[1:]
	}
	n.queue = append(n.queue, state)
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// Health is what is asked before each ping. Both functions may be slow: a process in which
// they do not return is one that the watchdog is there for.
type Health struct {
	// NotLive says why the process is to be started anew, and is empty if it is not.
	NotLive func() string
	// Status is one line for people.
	Status func() string
	Log    *slog.Logger
}

// Serve sends what is queued and, while the process is live, pings the watchdog, until ctx
// ends. A manager that cannot be reached is an error; what was not sent stays queued for
// the next call.
func (n *Notifier) Serve(ctx context.Context, h Health) error {
	every := statusEvery
	if n.watchdog > 0 {
		every = n.watchdog / pings
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	told, dead := "", ""
	for {
		if err := n.flush(); err != nil {
			return err
		}
		select {
		case <-n.wake:
		case <-tick.C:
			dead = n.ping(h, dead)
			told = n.status(h, told)
		case <-ctx.Done():
			return n.flush()
		}
	}
}

// ping tells the watchdog that the process is live, or the log why it is not.
func (n *Notifier) ping(h Health, before string) string {
	if n.watchdog == 0 {
		return ""
	}
	reason := h.NotLive()
	switch {
	case reason == "":
		n.mu.Lock()
		defer n.mu.Unlock()
		n.enqueueLocked(daemon.SdNotifyWatchdog)
	case reason != before:
		h.Log.Error("the watchdog of the service manager is not told that the process is live: it will start it anew",
			slog.String("why", reason), slog.Duration("watchdog", n.watchdog))
	}
	return reason
}

func (n *Notifier) status(h Health, before string) string {
	now := statusLine(h.Status())
	if now != before {
		n.tell(now)
	}
	return now
}

// flush sends what is queued, the oldest first. What cannot be sent stays.
func (n *Notifier) flush() error {
	for {
		n.mu.Lock()
		if len(n.queue) == 0 {
			n.mu.Unlock()
			return nil
		}
		next := n.queue[0]
		n.queue = n.queue[1:]
		n.mu.Unlock()
		if err := n.send(next); err != nil {
			n.mu.Lock()
			n.queue = append([]string{next}, n.queue...)
			n.mu.Unlock()
			return err
		}
	}
}
