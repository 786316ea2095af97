package perf

import "reflect"

// trimmedSlots are what [Monitor.Trim] leaves: ten minutes.
const trimmedSlots = 60

var pageBytes = int64(reflect.TypeFor[[pageSlots]slot]().Size())

// Trim gives up what is kept of the time before the last ten minutes, and returns about how
// many bytes that were. Questions about that time are answered from then on as if the monitor
// had begun later; what is normal, alerts, objectives and counts since the start stay as
// they are.
func (m *Monitor) Trim() (freed int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	newest := m.now / slotSeconds
	oldest := newest - trimmedSlots + 1
	for _, o := range m.known {
		if o.data != nil {
			freed += o.data.slots.trim(oldest, newest)
		}
	}
	if freed > 0 {
		m.began = max(m.began, oldest*slotSeconds)
	}
	return freed
}

// trim drops the pages that hold no slot from oldest to newest.
func (r *slotRing) trim(oldest, newest int64) (freed int64) {
	var used [len(r.pages)]bool
	for n := oldest; n <= newest; n++ {
		if r.find(n) != nil {
			used[int(n%slots)/pageSlots] = true
		}
	}
	for i, page := range r.pages {
		if page != nil && !used[i] {
			r.pages[i] = nil
			freed += pageBytes
		}
	}
	return freed
}
