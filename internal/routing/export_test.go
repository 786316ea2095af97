package routing

// Divided is New with leaves of fewer patterns.
func Divided(patterns []string, few int) *Mux { return &Mux{divide(patterns, 0, few)} }

// LargestLeaf returns the greatest number of patterns that are compared with one another.
func (m *Mux) LargestLeaf() int { return m.root.largest() }

func (n *node) largest() int {
	most := n.patterns
	for i := range n.children {
		most = max(most, n.children[i].largest())
	}
	return most
}
