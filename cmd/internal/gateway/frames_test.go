package gateway_test

import (
	"bytes"
	"errors"
	"net"
	"strconv"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// framed is a connection of HTTP/2 to the gateway on which a test writes the frames.
type framed struct {
	*testing.T
	*http2.Framer

	conn    net.Conn
	encoded bytes.Buffer
	encoder *hpack.Encoder
}

// frames opens such a connection.
func (r *rig) frames() *framed {
	r.Helper()
	conn, in := r.raw(http2.ClientPreface)
	f := &framed{T: r.T, Framer: http2.NewFramer(conn, in), conn: conn}
	f.encoder = hpack.NewEncoder(&f.encoded)
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	f.check(f.WriteSettings())
	return f
}

func (f *framed) check(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// send begins the stream of that number with fields, in pairs of name and value,
// which come after the pseudo fields that they do not name.
func (f *framed) send(stream uint32, end bool, fields ...string) {
	f.Helper()
	f.encoded.Reset()
	pseudo := map[string]string{":method": "GET", ":scheme": "http", ":authority": "x", ":path": "/"}
	var rest []string
	for i := 0; i < len(fields); i += 2 {
		if _, ok := pseudo[fields[i]]; ok {
			pseudo[fields[i]] = fields[i+1]
		} else {
			rest = append(rest, fields[i], fields[i+1])
		}
	}
	all := append([]string{":method", pseudo[":method"], ":scheme", pseudo[":scheme"], ":authority", pseudo[":authority"], ":path", pseudo[":path"]}, rest...)
	for i := 0; i < len(all); i += 2 {
		f.check(f.encoder.WriteField(hpack.HeaderField{Name: all[i], Value: all[i+1]}))
	}
	block := f.encoded.Bytes()
	const most = 16 << 10
	f.check(f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, EndStream: end, EndHeaders: len(block) <= most, BlockFragment: block[:min(most, len(block))]}))
	for len(block) > most {
		block = block[most:]
		f.check(f.WriteContinuation(stream, len(block) <= most, block[:min(most, len(block))]))
	}
}

// status reads frames up to the answer on stream, and returns 0 if that is reset.
func (f *framed) status(stream uint32) int {
	f.Helper()
	f.check(f.conn.SetReadDeadline(time.Now().Add(30 * time.Second)))
	for {
		frame, err := f.ReadFrame()
		if errors.As(err, &http2.StreamError{}) {
			continue
		}
		f.check(err)
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			if frame.StreamID == stream {
				code, err := strconv.Atoi(frame.PseudoValue("status"))
				f.check(err)
				return code
			}
		case *http2.RSTStreamFrame:
			if frame.StreamID == stream {
				return 0
			}
		case *http2.GoAwayFrame:
			f.Fatalf("the gateway gave up the connection: %v", frame.ErrCode)
		}
	}
}
