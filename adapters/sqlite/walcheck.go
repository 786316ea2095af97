package sqlite

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/elixirscope/foundation/adapters/internal/groupcommit"
	"github.com/elixirscope/foundation/fault"
)

// The write-ahead log as the file format of SQLite describes it.
const (
	logHeader   = 32
	frameHeader = 24
	logMagic    = 0x377f0682 // the last bit says that checksums are big-endian
)

// checkLog refuses a log that is damaged in the middle. SQLite reads it up to the first
// frame that does not fit its checksum and drops what follows: right for the end that a
// crash tore, and a silent loss where later commits are whole. Each commit waits for
// the disk before the next one is begun, so a frame after a later commit tells that the
// damage is not that of a crash.
func checkLog(path string) (err error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	l, ok := openLog(bufio.NewReaderSize(f, 1<<20))
	if !ok {
		return nil // no log, or one whose first writing was torn
	}
	intact := 0
	for l.next() && l.valid() {
		intact++
	}
	for committed := false; l.frame != nil; l.next() {
		if !l.current() {
			continue
		}
		if committed {
			return groupcommit.NewFault(fault.DataCorrupt, fmt.Sprintf("the log %s is damaged in its frame %d, and later commits would be lost: restore a backup, or move the directory away to begin with an empty one", path, intact+1), nil)
		}
		committed = l.commits()
	}
	return nil
}

// logReader goes through the frames of a log.
type logReader struct {
	from   io.Reader
	order  binary.ByteOrder
	salts  [8]byte
	s0, s1 uint32 // the checksum up to here
	buffer []byte
	frame  []byte // with its header; nil at the end
}

func openLog(from io.Reader) (*logReader, bool) {
	var h [logHeader]byte
	if _, err := io.ReadFull(from, h[:]); err != nil {
		return nil, false
	}
	magic, page := binary.BigEndian.Uint32(h[:]), binary.BigEndian.Uint32(h[8:])
	if magic&^1 != logMagic || page < 512 || page > 65536 {
		return nil, false
	}
	l := &logReader{from: from, order: binary.LittleEndian, salts: [8]byte(h[16:24]), buffer: make([]byte, frameHeader+page)}
	if magic&1 == 1 {
		l.order = binary.BigEndian
	}
	l.add(h[:24])
	ok := l.sums(h[24:])
	return l, ok
}

// next reads a frame. One that is not whole is the end.
func (l *logReader) next() bool {
	l.frame = l.buffer
	if _, err := io.ReadFull(l.from, l.frame); err != nil {
		l.frame = nil
	}
	return l.frame != nil
}

// current reports whether the frame was written since the log was last begun anew:
// what an earlier time left behind has other salts.
func (l *logReader) current() bool { return [8]byte(l.frame[8:16]) == l.salts }

// commits reports whether the frame is the last of a transaction.
func (l *logReader) commits() bool { return binary.BigEndian.Uint32(l.frame[4:]) != 0 }

// valid reports whether the frame continues the log.
func (l *logReader) valid() bool {
	if !l.current() {
		return false
	}
	l.add(l.frame[:8])
	l.add(l.frame[frameHeader:])
	return l.sums(l.frame[16:])
}

func (l *logReader) add(data []byte) {
	for ; len(data) >= 8; data = data[8:] {
		l.s0 += l.order.Uint32(data) + l.s1
		l.s1 += l.order.Uint32(data[4:]) + l.s0
	}
}

func (l *logReader) sums(stored []byte) bool {
	return binary.BigEndian.Uint32(stored) == l.s0 && binary.BigEndian.Uint32(stored[4:]) == l.s1
}
