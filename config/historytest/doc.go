// Package historytest holds a [config.History] to its contract: one of this
// repository, or your own.
//
//	func TestHistory(t *testing.T) {
//		historytest.Run(t, func(t *testing.T) historytest.Harness {
//			path := filepath.Join(t.TempDir(), "history.db")
//			return historytest.Harness{Open: func(t *testing.T) config.History { … }, Durable: true}
//		})
//	}
package historytest
