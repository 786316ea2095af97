package admin

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/elixirscope/foundation/fault"
)

// framePatience is how long a client may take to read what was written. One that is slower is
// cut off: it comes back, and continues or begins anew.
const framePatience = 10 * time.Second

// message is what many clients are sent: as it is, and deflated for those that take it, both
// made at most once.
type message struct {
	seq      uint64
	text     func() []byte // as a message of the stream
	deflated func() []byte // that as blocks of DEFLATE, which stand behind any others
}

func (f *frames) message(seq uint64, text func() []byte) *message {
	m := &message{seq: seq, text: sync.OnceValue(text)}
	m.deflated = sync.OnceValue(func() []byte {
		f.deflated.Add(1)
		return deflate(m.text())
	})
	return m
}

// json is the frame alone.
func (m *message) json() []byte {
	_, text, _ := bytes.Cut(m.text(), dataPrefix)
	return bytes.TrimSuffix(text, dataSuffix)
}

// What stands around the frame in a message, behind its id.
var dataPrefix, dataSuffix = []byte("\ndata: "), []byte("\n\n")

// plainMessage is a message that is no frame.
func plainMessage(text string) *message {
	m := &message{text: func() []byte { return []byte(text) }}
	m.deflated = sync.OnceValue(func() []byte { return deflate(m.text()) })
	return m
}

var (
	messageBegin = plainMessage(": frames follow\nretry: 1000\n\n")
	messageBeat  = plainMessage(": still here\n\n")
)

var deflaters = sync.Pool{New: func() any {
	w, err := flate.NewWriter(nil, flate.BestSpeed)
	if err != nil {
		panic(err) // the level is a constant
	}
	return w
}}

// deflate compresses a text so that the result can stand anywhere in a stream: it refers to
// nothing before it, and ends at the border of a byte. So it is made once for all streams, while
// a compressor for each would take as much time and memory as there are tabs.
func deflate(text []byte) []byte {
	out := bytes.NewBuffer(make([]byte, 0, len(text)/8+64))
	w := deflaters.Get().(*flate.Writer) //nolint:errcheck,forcetypeassert // the pool holds nothing else
	defer deflaters.Put(w)
	w.Reset(out)
	_, _ = w.Write(text) // a buffer takes everything
	_ = w.Flush()
	return out.Bytes()
}

// gzipBegin is the header of a gzip stream: deflated, no name, no time, an unknown system.
var gzipBegin = []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff}

// gzipEnd is the last block of a stream, which is empty.
var gzipEnd = []byte{1, 0, 0, 0xff, 0xff}

// frameStream writes messages to one client.
type frameStream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	gzip    bool
	sum     uint32 // of what was sent, before it was deflated
	size    uint32
}

func (a *api) streamFrames(w http.ResponseWriter, r *http.Request) {
	seen, err := lastSeen(r)
	if err != nil {
		writeError(w, err)
		return
	}
	release, err := a.turns.watch(actorOf(r.Context()))
	if err != nil {
		writeError(w, err)
		return
	}
	defer release()
	leave, err := a.frames.watch()
	if err != nil {
		writeError(w, err)
		return
	}
	defer leave()
	s := &frameStream{w: w, control: http.NewResponseController(w), gzip: takesGzip(r)}
	if s.begin() == nil {
		s.run(r, a, seen)
	}
}

// lastSeen is the frame that a client continues behind; 0 begins anew.
func lastSeen(r *http.Request) (uint64, error) {
	last := r.Header.Get("Last-Event-ID")
	if last == "" {
		return 0, nil
	}
	seen, err := strconv.ParseUint(last, 10, 64)
	if err != nil {
		return 0, refuse(fault.InvalidArgument, "Last-Event-ID must be the id of a frame of this stream, which is a number")
	}
	return seen, nil
}

// takesGzip reports whether the client takes a compressed answer.
func takesGzip(r *http.Request) bool {
	for field := range strings.SplitSeq(strings.Join(r.Header.Values("Accept-Encoding"), ","), ",") {
		coding, quality, _ := strings.Cut(strings.ReplaceAll(field, " ", ""), ";q=")
		if strings.EqualFold(coding, "gzip") {
			q, err := strconv.ParseFloat(quality, 64)
			return quality == "" || err == nil && q > 0
		}
	}
	return false
}

// begin sends the header, and lifts the bound on the time of the whole request.
func (s *frameStream) begin() error {
	if err := supported(s.control.SetReadDeadline(time.Time{})); err != nil {
		return err
	}
	h := s.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Add("Vary", "Accept-Encoding")
	if s.gzip {
		h.Set("Content-Encoding", "gzip")
		if err := s.write(gzipBegin); err != nil {
			return err
		}
	}
	return s.send(messageBegin)
}

func (s *frameStream) run(r *http.Request, a *api, seen uint64) {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		list, changed, err := a.frames.after(seen)
		if err != nil {
			s.tell(err)
			return
		}
		for _, m := range list {
			if s.send(m) != nil {
				return
			}
			seen = m.seq
			beat.Reset(heartbeat)
		}
		if len(list) > 0 {
			continue // there may be more meanwhile
		}
		select {
		case <-r.Context().Done():
			return
		case <-a.ended:
			s.end()
			return
		case <-changed:
		case <-beat.C:
			if s.send(messageBeat) != nil {
				return
			}
		}
	}
}

// tell ends a stream whose client is told why.
func (s *frameStream) tell(err error) {
	text, encodeErr := json.Marshal(problemOf(err))
	if encodeErr == nil && s.send(plainMessage("event: problem\ndata: "+string(text)+"\n\n")) == nil {
		s.end()
	}
}

func (s *frameStream) send(m *message) error {
	text := m.text()
	if !s.gzip {
		return s.write(text)
	}
	s.sum, s.size = crc32.Update(s.sum, crc32.IEEETable, text), s.size+uint32(len(text))
	return s.write(m.deflated())
}

// end completes what is compressed, so that a client does not take the end for a fault.
func (s *frameStream) end() {
	if s.gzip {
		tail := binary.LittleEndian.AppendUint32(bytes.Clone(gzipEnd), s.sum)
		_ = s.write(binary.LittleEndian.AppendUint32(tail, s.size)) // it ends either way
	}
}

// supported is err, unless it says that a server has no such deadline.
func supported(err error) error {
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}

func (s *frameStream) write(text []byte) error {
	if err := supported(s.control.SetWriteDeadline(time.Now().Add(framePatience))); err != nil {
		return err
	}
	if _, err := s.w.Write(text); err != nil {
		return err
	}
	return s.control.Flush()
}

// getFrame answers with one frame: that which others are watching, or one of its own.
func (a *api) getFrame(w http.ResponseWriter, _ *http.Request) {
	text := []byte(nil)
	if m := a.frames.newest(); m != nil {
		text = m.json()
	}
	if len(text) == 0 {
		writeJSON(w, a.frame(nil))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(text) // a client that left needs no answer
}
