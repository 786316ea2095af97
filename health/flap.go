package health

// kept is how many results are remembered; there are one fewer places where they may change.
const kept = 21

// The form of Nagios: of the changes between recent results, newer ones weigh more. A check
// begins to flap at a fifth of all possible weight and ends at a twentieth.
const (
	flapStart, flapStop  = 20.0, 5.0 // percent
	oldestWeight, weight = 0.80, 0.02
)

// results are the newest results of a check, the newest last.
type results struct {
	list [kept]Status
	n    int
}

func (r results) with(s Status) results {
	if r.n == kept {
		copy(r.list[:], r.list[1:])
		r.n--
	}
	r.list[r.n] = s
	r.n++
	return r
}

// changed is the weighted share of changes, in percent. Places that hold no result yet
// count as no change.
func (r results) changed() float64 {
	sum := 0.0
	for i := 1; i < r.n; i++ {
		if r.list[i] != r.list[i-1] {
			sum += oldestWeight + weight*float64(kept-1-(r.n-i))
		}
	}
	return 100 * sum / (kept - 1)
}

// flapping says whether the results flap, given that they did before.
func (r results) flapping(before bool) bool {
	if before {
		return r.changed() > flapStop
	}
	return r.changed() >= flapStart
}

// settled is the status that the newest results confirm, given the one before: worse if as
// many as worse results were all worse, by the mildest of them; better if as many as better
// were all better, by the most severe of them. The first result counts at once: there is
// nothing to weigh it against.
func (r results) settled(before Status, worse, better int) Status {
	if before == Unknown {
		return r.list[r.n-1]
	}
	if mildest := r.extreme(worse, func(a, b Status) Status { return min(a, b) }); mildest > before {
		return mildest
	}
	if worst := r.extreme(better, func(a, b Status) Status { return max(a, b) }); worst != Unknown && worst < before {
		return worst
	}
	return before
}

// extreme folds the newest n results; Unknown if there are fewer.
func (r results) extreme(n int, of func(a, b Status) Status) Status {
	if r.n < n {
		return Unknown
	}
	out := r.list[r.n-1]
	for _, s := range r.list[r.n-n : r.n] {
		out = of(out, s)
	}
	return out
}
