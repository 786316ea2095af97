//go:build linux

package top

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/elixirscope/foundation/internal/adminapi"
)

// terminal is a pseudo terminal of 100 columns and 30 lines: what a person sees and types at
// one end, and what a program draws on at the other.
func terminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = person.Close() })
	control := func(request uintptr, value unsafe.Pointer) {
		t.Helper()
		conn, err := person.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		err = conn.Control(func(fd uintptr) {
			if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, request, uintptr(value)); errno != 0 {
				t.Error(errno)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var number uint32
	control(syscall.TIOCGPTN, unsafe.Pointer(&number))
	unlocked := int32(0)
	control(syscall.TIOCSPTLCK, unsafe.Pointer(&unlocked))
	size := [4]uint16{30, 100}
	control(syscall.TIOCSWINSZ, unsafe.Pointer(&size))
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = program.Close() })
	return person, program
}

// screen is what a person has seen, and not yet looked at.
type screen struct {
	*testing.T

	of    *os.File
	drawn string
}

// until reads on until a text is drawn.
func (s *screen) until(text string) {
	s.Helper()
	if err := s.of.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		s.Fatal(err)
	}
	for buf := make([]byte, 4096); ; {
		if _, rest, drawn := strings.Cut(s.drawn, text); drawn {
			s.drawn = rest
			return
		}
		n, err := s.of.Read(buf)
		if err != nil {
			s.Fatalf("%q was not drawn: %v\n%q", text, err, s.drawn)
		}
		s.drawn += string(buf[:n])
	}
}

// TestRun_DrawsOnATerminal is the one test with the library and a terminal.
func TestRun_DrawsOnATerminal(t *testing.T) {
	person, program := terminal(t)
	sees := &screen{T: t, of: person}
	second := make(chan *adminapi.Frame, 1)
	gone, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- Run(t.Context(), Options{
			Address: "127.0.0.1:9181", First: example(t), In: program, Out: program, Colour: true,
			Watch: func(ctx context.Context, show func(*adminapi.Frame) error) error {
				select {
				case f := <-second:
					err := show(f)
					<-gone // the daemon
					return err
				case <-ctx.Done():
					return ctx.Err()
				}
			},
			Why: func(context.Context, string, string) (string, error) { return "because the test says so", nil },
		})
	}()
	sees.until("breaker demo is open")
	f := example(t)
	f.Findings[0].Text = "another breaker is open"
	second <- f
	sees.until("another breaker")
	close(gone)
	sees.until("CONNECTION LOST")
	if _, err := person.WriteString("\r"); err != nil {
		t.Fatal(err)
	}
	sees.until("because the test says so")
	if _, err := person.WriteString("q"); err != nil {
		t.Fatal(err)
	}
	sees.until("\x1b[?1049l") // the screen of before is back
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// A program that is told to stop gives the terminal back.
func TestRun_EndsWithItsContext(t *testing.T) {
	person, program := terminal(t)
	sees := &screen{T: t, of: person}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, Options{First: example(t), In: program, Out: program, Watch: func(ctx context.Context, _ func(*adminapi.Frame) error) error {
			<-ctx.Done()
			return ctx.Err()
		}})
	}()
	sees.until("orders_db")
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
