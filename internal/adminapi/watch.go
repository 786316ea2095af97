package adminapi

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
)

// Watcher follows the frames of a daemon and puts them together: each that it shows has all
// rows. The zero value with a client is ready. It is not safe for concurrent use.
type Watcher struct {
	Client *Client

	last uint64
	rows map[string]FrameRow
}

// Watch calls show with each frame until the stream ends, show fails, or ctx ends. A stream
// that the server has ended is no error. Called again, it continues where it was.
func (w *Watcher) Watch(ctx context.Context, show func(*Frame) error) error {
	header := http.Header{}
	if w.last > 0 {
		header.Set("Last-Event-ID", strconv.FormatUint(w.last, 10))
	}
	return w.Client.messages(ctx, "/v1/frames", header, maxAnswer, func(kind, data string) error {
		f := new(Frame)
		more, err := followed(kind, data, f)
		if err != nil || !more {
			return err
		}
		w.take(f)
		return show(f)
	})
}

// take makes a frame that says what changed a full one.
func (w *Watcher) take(f *Frame) {
	if f.Full || w.rows == nil {
		w.rows = make(map[string]FrameRow, len(f.Rows))
	}
	for i := range f.Rows {
		w.rows[f.Rows[i].ID] = f.Rows[i]
	}
	for _, id := range f.Gone {
		delete(w.rows, id)
	}
	all := make([]FrameRow, 0, len(w.rows))
	for _, row := range w.rows {
		all = append(all, row)
	}
	slices.SortFunc(all, func(x, y FrameRow) int { return cmp.Or(cmp.Compare(y.Weight, x.Weight), cmp.Compare(x.ID, y.ID)) })
	w.last, f.Full, f.Rows, f.Gone = f.Seq, true, all, []string{}
}
