package ratelimit

import (
	"slices"
	"sync"
	"time"

	"github.com/elixirscope/foundation/internal/clock"
	"github.com/elixirscope/foundation/internal/key"
)

// DeniedKey is a key that a limiter refused often.
type DeniedKey struct {
	Key    string    `json:"key"`    // the parts that the rule looks at; long keys are cut
	Denied uint64    `json:"denied"` // an upper bound of the refusals that were noted
	AtMost uint64    `json:"at_most_too_many"`
	Last   time.Time `json:"last"`
}

const (
	topKeys     = 64
	topKeyBytes = 256
)

// topDenied finds the keys that are refused most, in constant memory, with the
// Space-Saving algorithm (Metwally, Agrawal, El Abbadi 2005): a key that is not
// among the counted takes the place of the least one and inherits its count as
// its possible error. Any key with more than a 64th of the refusals that were noted is found.
type topDenied struct {
	mu    sync.Mutex // guards the fields below; a refusal that finds it taken is not noted
	index map[key.Hash]int
	hint  [4 * topKeys]uint8 // by the low bits of a hash: where a key with such bits was found last
	keys  []deniedKey
}

type deniedKey struct {
	hash   key.Hash
	text   []byte
	denied uint64
	excess uint64
	last   clock.Instant
}

func (t *topDenied) note(k *Key, parts int, h key.Hash, now clock.Instant) {
	if !t.mu.TryLock() {
		return
	}
	defer t.mu.Unlock()
	hint := &t.hint[h.Lo%uint64(len(t.hint))]
	i := int(*hint)
	if i >= len(t.keys) || t.keys[i].hash != h {
		var known bool
		if i, known = t.index[h]; !known {
			i = t.placeLocked(h, k.First(parts))
		}
		*hint = uint8(i)
	}
	t.keys[i].denied++
	t.keys[i].last = now
}

// placeLocked gives a key a place, its predecessor's if there is no free one.
func (t *topDenied) placeLocked(h key.Hash, k Key) int {
	if t.index == nil {
		t.index = make(map[key.Hash]int, topKeys)
		t.keys = make([]deniedKey, 0, topKeys)
	}
	i := len(t.keys)
	if i < topKeys {
		t.keys = append(t.keys, deniedKey{})
	} else {
		i = t.leastLocked()
		delete(t.index, t.keys[i].hash)
	}
	d := &t.keys[i]
	d.hash, d.excess = h, d.denied
	d.text = k.AppendText(d.text[:0])
	if len(d.text) > topKeyBytes {
		d.text = append(slices.Clone(d.text[:topKeyBytes]), "…"...)
	}
	t.index[h] = i
	return i
}

func (t *topDenied) leastLocked() int {
	least := 0
	for i := range t.keys {
		if t.keys[i].denied < t.keys[least].denied {
			least = i
		}
	}
	return least
}

// TopDenied returns up to n keys that were refused most since the limiter was
// made, the most refused first. It is for people; keys make no metric labels.
func (l *Limiter) TopDenied(n int) []DeniedKey {
	l.top.mu.Lock()
	out := make([]DeniedKey, len(l.top.keys))
	for i, d := range l.top.keys {
		out[i] = DeniedKey{Key: string(d.text), Denied: d.denied, AtMost: d.excess, Last: d.last.Time()}
	}
	l.top.mu.Unlock()
	slices.SortStableFunc(out, func(a, b DeniedKey) int { return int(min(max(int64(b.Denied-a.Denied), -1), 1)) })
	return out[:min(len(out), max(n, 0))]
}
