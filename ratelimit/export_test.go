package ratelimit

// Len returns how many keys the store keeps.
func (m *MemoryStore) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.keys)
}

// Watchers returns how many calls watch the rule for their turn.
func (l *Limiter) Watchers() int64 { return l.watching.count.Load() }
