package shared

import (
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/internal/key"
)

const (
	heatSlots  = 1024
	heatWindow = 100 * time.Millisecond
	// hot is how many calls of a key within a window make it worth to take tokens ahead.
	hot = 8
)

// heat finds the keys that the store is asked about often, in constant memory: each slot
// counts one key in the present window, and a call of another key with the same slot takes one
// off (Boyer and Moore's majority vote), so that a hot key gets its slot from among
// many that come once.
//
// A slot is one word: 32 bits of the key's hash, 16 of the window's number, 16 of the count.
type heat struct{ slots [heatSlots]atomic.Uint64 }

// note counts a call and returns how many of its key were counted in this window.
func (t *heat) note(h key.Hash, now clock.Instant) int64 {
	slot := &t.slots[h.Lo%heatSlots]
	mine := h.Hi>>32<<32 | uint64(uint16(int64(now)/int64(heatWindow)))<<16
	for {
		w := slot.Load()
		next := w - 1 // another key of this window, which has counts left
		count := w & 0xffff
		switch {
		case w&^0xffff == mine:
			next, count = w+1, count+1
			if count > 0xffff {
				return 0xffff
			}
		case w&0xffff0000 != mine&0xffff0000, count == 0:
			next, count = mine|1, 1
		default:
			count = 0
		}
		if slot.CompareAndSwap(w, next) {
			return int64(count)
		}
	}
}
