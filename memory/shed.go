package memory

import (
	"math"

	"github.com/elixirscope/foundation/priority"
)

// shares are the shares of calls that are refused, by priority.
type shares [priority.Bulk + 1]float64

// leastShare is what a level that refuses a part refuses at least: it may have been entered
// for another reason than the ratio, and then it must mean something, too.
const leastShare = 0.1

// shed says what is refused. It never falls with the level or the ratio, and a priority is
// never refused more than the ones below it.
func shed(t *thresholds, l Level, ratio float64) (s shares) {
	switch l {
	case Elevated:
		s[priority.Bulk] = between(ratio, t.enter[Elevated], t.enter[High])
	case High:
		s[priority.Bulk] = 1
		s[priority.BestEffort] = between(ratio, t.enter[High], t.enter[Critical])
	case Critical:
		s[priority.Bulk], s[priority.BestEffort], s[priority.Normal] = 1, 1, 1
	case Unknown, Normal:
	}
	return s
}

// between scales a ratio to the share that is refused: from the least at low to all at high.
func between(ratio, low, high float64) float64 {
	if math.IsNaN(ratio) || ratio <= low {
		return leastShare
	}
	return min(1, leastShare+(1-leastShare)*(ratio-low)/(high-low))
}

// any reports whether anything is refused.
func (s *shares) any() bool { return *s != shares{} }

// mix spreads the hash of a key, so that another salt chooses other keys. It is the
// finalizer of SplitMix64 (Steele, Lea and Flood, 2014).
func mix(h uint64) uint64 {
	h ^= h >> 30
	h *= 0xbf58476d1ce4e5b9
	h ^= h >> 27
	h *= 0x94d049bb133111eb
	return h ^ h>>31
}

// fraction turns a hash into a number from 0 to below 1.
func fraction(h uint64) float64 { return float64(h>>11) / (1 << 53) }
