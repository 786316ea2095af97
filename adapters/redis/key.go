package redis

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"

	"github.com/elixirscope/foundation/ratelimit"
)

// tags are the hash tags of keys: so few that the concurrent calls of a process go to a
// cluster in large batches, each for one slot, and so chosen that their slots lie
// one in each 32nd of all, which spreads them evenly over the usual ranges. They are a
// part of every key: other tags would be other counters.
var tags = [...]string{
	"6u", "by", "25", "f9", "0n", "db", "o2", "gg", "8c", "06", "4g", "4v", "ed", "m1", "fa", "2m",
	"k4", "ca", "4h", "x5", "63", "ez", "2s", "yk", "z6", "6k", "ab", "i7", "c9", "0p", "gy", "40",
}

// keyOf returns where the counter of a key is kept, and the number of its tag. The name of the rule and the key
// are hashed: whatever they contain and however long they are, a counter has a key of a
// few characters, from which neither can be read.
func (s *Store) keyOf(rule string, key ratelimit.Key) (name string, tag int) {
	text := key.Text()
	in := make([]byte, 0, 256)
	in = binary.AppendUvarint(in, uint64(len(rule)))
	in = append(append(in, rule...), text...)
	sum := sha256.Sum256(in)
	const size = 16 // 128 bits
	tag = int(sum[size]) % len(tags)
	out := make([]byte, 0, 96)
	out = append(out, s.namespace...)
	out = append(append(append(out, ":{"...), tags[tag]...), '}')
	return string(base64.RawURLEncoding.AppendEncode(out, sum[:size])), tag
}
