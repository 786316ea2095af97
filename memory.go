package foundation

import (
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/memory"
)

const memorySection = "memory"

func (f *Foundation) memories() *monitor[memory.Config, *memory.Manager] {
	return &monitor[memory.Config, *memory.Manager]{
		f: f, name: memorySection,
		settings: func(c *config.Config) (memory.Config, bool, bool) {
			if c.Memory == nil {
				return memory.Config{}, false, false
			}
			return c.Memory.Config, true, c.Memory.Off
		},
		open: memory.New,
		show: func(s *Status, m *memory.Manager) { now := m.Status(); s.Memory = &now },
	}
}

// Memory returns the manager that watches the memory, [fault.NotFound] while the section
// "memory" is off. A change of its settings keeps it; after off and on it is another.
func (f *Foundation) Memory() (*memory.Manager, error) { return f.memory.find() }
