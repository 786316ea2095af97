package config

import (
	"context"
	"iter"
)

// Subscribe returns an iterator over the revisions, beginning with the one in force. It
// waits for each next one. A loop that is slower than the changes gets the newest in
// place of those before it, which it never misses; none comes twice. The iteration
// ends with ctx and with the server. It starts no goroutine, and may be begun any
// number of times.
func (s *Server) Subscribe(ctx context.Context) iter.Seq[Revision] {
	return func(yield func(Revision) bool) {
		for ctx.Err() == nil {
			now := s.current.Load()
			if !yield(now.Revision) {
				return
			}
			select {
			case <-now.replaced:
			case <-ctx.Done():
				return
			case <-s.ended:
				if s.current.Load() == now {
					return
				}
			}
		}
	}
}
