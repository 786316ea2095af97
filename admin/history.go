package admin

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/adminapi"
)

func revisionView(r *config.Record, text bool) adminapi.Revision {
	v := adminapi.Revision{
		Seq: r.Seq, Revision: r.Revision, At: r.At, Actor: r.Actor, Reason: r.Reason, Source: r.Source, Hash: r.Hash,
		Outcome: r.Outcome, Error: r.Err, Changes: nonNil(r.Changes),
	}
	if text {
		v.YAML = r.Text
	}
	return v
}

// listHistory answers with the newest changes, newest first; ?before=SEQ continues.
func (a *api) listHistory(r *http.Request) (any, error) {
	p := &queryReader{values: r.URL.Query()}
	p.check([]string{"before", "limit"})
	before, limit := p.number("before"), p.number("limit")
	if err := p.err(); err != nil {
		return nil, err
	}
	views := []adminapi.Revision{}
	for most := historyPage(limit); len(views) < most; {
		// A record comes with its document, of which the list has no use: a few at a time
		// bound what one request can hold.
		records, err := a.layer.Config().History(r.Context(), before, min(historyAtOnce, most-len(views)))
		if err != nil {
			return nil, err
		}
		for i := range records {
			views = append(views, revisionView(&records[i], false))
			before = records[i].Seq
		}
		if len(records) < historyAtOnce {
			break
		}
	}
	return list(views), nil
}

const (
	historyDefault = 50
	historyMost    = 2 * config.HistoryKept // all that there can be
	historyAtOnce  = 10
)

// historyPage is how many records a list has at most.
func historyPage(limit uint64) int {
	if limit == 0 {
		return historyDefault
	}
	return int(min(limit, historyMost))
}

func (a *api) getRevision(r *http.Request) (any, error) {
	number, err := strconv.ParseUint(r.PathValue("revision"), 10, 64)
	if err != nil {
		return nil, refuse(fault.InvalidArgument, "a revision is a number, as in /v1/config/history/7")
	}
	record, err := a.layer.Config().Recorded(r.Context(), number)
	if err != nil {
		return nil, err
	}
	return revisionView(&record, true), nil
}

// patchConfig changes the configuration in force by a JSON merge patch.
func (a *api) patchConfig(r *http.Request) (any, error) {
	by, err := authorOf(r, r.URL.Query().Get("reason"))
	if err != nil {
		return nil, err
	}
	var patch bytes.Buffer // read before the turn, which a slow sender would hold
	if _, err := patch.ReadFrom(http.MaxBytesReader(nil, r.Body, maxBody)); err != nil && !errors.Is(err, io.EOF) {
		return nil, refuse(fault.InvalidArgument, "the body cannot be read: "+err.Error())
	}
	release, err := a.turns.take(r.Context(), actorOf(r.Context()))
	if err != nil {
		return nil, err
	}
	defer release()
	return a.change(r, func(ctx context.Context, s *config.Server) (config.Applied, error) {
		return s.Patch(ctx, patch.Bytes(), by)
	})
}

func (a *api) rollback(r *http.Request) (any, error) {
	var request adminapi.RollbackRequest
	if err := read(r, &request); err != nil {
		return nil, err
	}
	if request.Revision == 0 || request.Reason == "" {
		return nil, refuse(fault.InvalidArgument, "revision must name one of GET /v1/config/history, and reason must say why")
	}
	by, err := authorOf(r, request.Reason)
	if err != nil {
		return nil, err
	}
	return a.change(r, func(ctx context.Context, s *config.Server) (config.Applied, error) {
		return s.Rollback(ctx, request.Revision, by)
	})
}
