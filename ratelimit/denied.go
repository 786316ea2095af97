package ratelimit

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/internal/key"
)

// DeniedKey is a key that a limiter refused often.
type DeniedKey struct {
	Key    string    `json:"key"`    // the parts that the rule looks at; long keys are cut
	Denied uint64    `json:"denied"` // an upper bound of the refusals that were noted
	AtMost uint64    `json:"at_most_too_many"`
	Last   time.Time `json:"last"`
	// Override says that the key has numbers of its own now.
	Override bool `json:"override"`
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
	keys  []deniedKey
	first [topKeys]place // by the low bits of a hash: the first of the keys that have them
	hand  int            // where the search for the least goes on
	floor uint64         // no count is below it
}

// place is an index into keys and one more; 0 is none.
type place uint8

type deniedKey struct {
	hash   key.Hash
	next   place // with the same low bits
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
	d := t.findLocked(h)
	if d == nil {
		d = t.placeLocked(h, k.First(parts))
	}
	d.denied++
	d.last = now
}

// findLocked returns the place of a key, nil if it has none.
func (t *topDenied) findLocked(h key.Hash) *deniedKey {
	for i := t.first[h.Lo%topKeys]; i != 0; i = t.keys[i-1].next {
		if d := &t.keys[i-1]; d.hash == h {
			return d
		}
	}
	return nil
}

// placeLocked gives a key a place, its predecessor's if there is no free one.
func (t *topDenied) placeLocked(h key.Hash, k Key) *deniedKey {
	if t.keys == nil {
		t.keys = make([]deniedKey, 0, topKeys)
	}
	i := len(t.keys)
	if i < topKeys {
		t.keys = append(t.keys, deniedKey{})
	} else {
		i = t.leastLocked()
		t.unlinkLocked(i)
	}
	d, first := &t.keys[i], &t.first[h.Lo%topKeys]
	d.next, *first = *first, place(i+1)
	d.hash, d.excess = h, d.denied
	d.text = k.AppendText(d.text[:0])
	if len(d.text) > topKeyBytes {
		d.text = append(slices.Clone(d.text[:topKeyBytes]), "…"...)
	}
	return d
}

// unlinkLocked takes a key out of the chain of those with its low bits.
func (t *topDenied) unlinkLocked(i int) {
	at := &t.first[t.keys[i].hash.Lo%topKeys]
	for *at != place(i+1) {
		at = &t.keys[*at-1].next
	}
	*at = t.keys[i].next
}

// leastLocked returns one of the keys with the least count. Counts only rise: so
// one that is at the floor is as low as any, and where many are, as under refusals
// of keys that come once, the next is not far.
func (t *topDenied) leastLocked() int {
	least := t.hand
	for range topKeys {
		i := t.hand
		t.hand = (i + 1) % topKeys
		if t.keys[i].denied <= t.floor {
			return i
		}
		if t.keys[i].denied < t.keys[least].denied {
			least = i
		}
	}
	t.floor = t.keys[least].denied
	return least
}

// list returns the keys, the most refused first.
func (t *topDenied) list(s *setup) []DeniedKey {
	t.mu.Lock()
	out := make([]DeniedKey, len(t.keys))
	for i, d := range t.keys {
		out[i] = DeniedKey{Key: string(d.text), Denied: d.denied, AtMost: d.excess, Last: d.last.Time(), Override: s.of(d.hash) != &s.class}
	}
	t.mu.Unlock()
	slices.SortStableFunc(out, func(a, b DeniedKey) int { return cmp.Compare(b.Denied, a.Denied) })
	return out
}
