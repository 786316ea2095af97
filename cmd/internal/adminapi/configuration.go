package adminapi

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
)

// etag names a revision for If-Match.
func etag(revision uint64) string { return strconv.Quote(strconv.FormatUint(revision, 10)) }

func (a *api) getConfig(w http.ResponseWriter, r *http.Request) {
	now := a.Layer.Config().Current()
	switch format := r.URL.Query().Get("format"); format {
	case "", "yaml":
	case "json":
		w.Header().Set("ETag", etag(now.Number))
		writeJSON(w, http.StatusOK, ConfigDocument{APIVersion: Version, Revision: now.Number, Source: now.Source, AppliedAt: now.At, Hash: now.Hash, Document: now.Config})
		return
	default:
		writeError(w, refuse(fault.InvalidArgument, "format must be yaml or json"))
		return
	}
	text, err := now.Config.MarshalText()
	if err != nil {
		writeError(w, err)
		return
	}
	w.Header().Set("ETag", etag(now.Number))
	writeJSON(w, http.StatusOK, Config{APIVersion: Version, Revision: now.Number, Source: now.Source, AppliedAt: now.At, YAML: string(text)})
}

// ConfigRequest is the body of PUT /v1/config.
type ConfigRequest struct {
	YAML string `json:"yaml"`
}

// seen is the revision that the request wants to replace, 0 for any. Whether it is
// in force is decided when the change has its turn.
func seen(r *http.Request) (uint64, error) {
	match := r.Header.Get("If-Match")
	if match == "" || match == "*" {
		return 0, nil
	}
	revision, err := strconv.ParseUint(strings.Trim(match, `"`), 10, 64)
	if err != nil || revision == 0 {
		return 0, refuse(fault.InvalidArgument, `If-Match must be the ETag of one answer to GET /v1/config, as in "7"`)
	}
	return revision, nil
}

func (a *api) putConfig(r *http.Request) (any, error) {
	dry, err := dryRun(r)
	if err != nil {
		return nil, err
	}
	revision, err := seen(r)
	if err != nil {
		return nil, err
	}
	reason := r.URL.Query().Get("reason")
	if err := checkReason(reason); err != nil {
		return nil, err
	}
	var request ConfigRequest
	if err := read(r, &request); err != nil { // before the turn, which a slow sender would hold
		return nil, err
	}
	release, err := a.Turns.take(r.Context(), actorOf(r.Context()))
	if err != nil {
		return nil, err
	}
	defer release()
	if dry {
		return a.planConfig(r.Context(), request.YAML)
	}
	by := config.By{Actor: actorOf(r.Context()), Reason: reason, Seen: revision, API: true}
	return a.change(r, "apply", func(ctx context.Context, s *config.Server) (config.Applied, error) {
		return s.ApplyText(ctx, "request", []byte(request.YAML), by)
	})
}

// planConfig says what a text would change, as long as somebody waits for it.
func (a *api) planConfig(ctx context.Context, text string) (any, error) {
	if err := gone(ctx); err != nil {
		return nil, err
	}
	c, err := a.Daemon.Parse(text)
	if err == nil {
		err = gone(ctx)
	}
	if err != nil {
		return nil, err
	}
	return a.Daemon.Plan(ctx, c)
}

func (a *api) reload(r *http.Request) (any, error) {
	dry, err := dryRun(r)
	if err != nil {
		return nil, err
	}
	if dry {
		return a.Daemon.PlanReload(r.Context())
	}
	var request ReloadRequest
	if r.ContentLength != 0 { // a body is not needed
		if err := read(r, &request); err != nil {
			return nil, err
		}
	}
	if err := checkReason(request.Reason); err != nil {
		return nil, err
	}
	applied, err := a.Daemon.Reload(r.Context(), config.By{Actor: actorOf(r.Context()), Reason: request.Reason, DiscardDrift: request.DiscardDrift})
	if err == nil {
		a.log(r, "reload", "config", "", slog.Uint64("revision", applied.Revision))
	}
	return applied, a.told(r, err)
}
