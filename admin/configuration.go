package admin

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/adminapi"
)

// etag names a revision for If-Match.
func etag(revision uint64) string { return strconv.Quote(strconv.FormatUint(revision, 10)) }

func (a *api) getConfig(w http.ResponseWriter, r *http.Request) {
	now := a.layer.Config().Current()
	switch format := r.URL.Query().Get("format"); format {
	case "", "yaml":
	case "json":
		w.Header().Set("ETag", etag(now.Number))
		writeJSON(w, adminapi.ConfigDocument{APIVersion: adminapi.Version, Revision: now.Number, Source: now.Source, AppliedAt: now.At, Hash: now.Hash, Document: now.Config})
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
	writeJSON(w, adminapi.Config{APIVersion: adminapi.Version, Revision: now.Number, Source: now.Source, AppliedAt: now.At, YAML: string(text)})
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

// authorOf says on whose behalf r changes the configuration, why, and which revision it replaces.
func authorOf(r *http.Request, reason string) (config.By, error) {
	revision, err := seen(r)
	if err == nil {
		err = checkReason(reason)
	}
	return config.By{Actor: actorOf(r.Context()), Reason: reason, Seen: revision, API: true}, err
}

// configStatus answers which configuration runs, and what is wrong with the file if it was
// refused.
func (a *api) configStatus(*http.Request) (any, error) {
	layer := a.layer.Status()
	return adminapi.ConfigState{APIVersion: adminapi.Version, ConfigStatus: configStatus(&layer)}, nil
}

func (a *api) putConfig(r *http.Request) (any, error) {
	dry, err := dryRun(r)
	if err != nil {
		return nil, err
	}
	by, err := authorOf(r, r.URL.Query().Get("reason"))
	if err != nil {
		return nil, err
	}
	var request adminapi.ConfigRequest
	if err := read(r, &request); err != nil { // before the turn, which a slow sender would hold
		return nil, err
	}
	release, err := a.turns.take(r.Context(), actorOf(r.Context()))
	if err != nil {
		return nil, err
	}
	defer release()
	if dry {
		return a.planConfig(r.Context(), request.YAML)
	}
	return a.change(r, func(ctx context.Context, s *config.Server) (config.Applied, error) {
		return s.ApplyText(ctx, "request", []byte(request.YAML), by)
	})
}

// planConfig says what a text would change, as long as somebody waits for it.
func (a *api) planConfig(ctx context.Context, text string) (any, error) {
	if err := gone(ctx); err != nil {
		return nil, err
	}
	c, err := a.layer.Config().ParseText("request", []byte(text))
	if err == nil {
		err = gone(ctx)
	}
	if err != nil {
		return nil, err
	}
	return a.plan(ctx, c)
}

func (a *api) reload(r *http.Request) (any, error) {
	dry, err := dryRun(r)
	if err != nil {
		return nil, err
	}
	if dry {
		c, err := a.layer.Config().Read(r.Context())
		if err != nil {
			return nil, err
		}
		return a.plan(r.Context(), c)
	}
	var request adminapi.ReloadRequest
	if r.ContentLength != 0 { // a body is not needed
		if err := read(r, &request); err != nil {
			return nil, err
		}
	}
	if err := checkReason(request.Reason); err != nil {
		return nil, err
	}
	by := config.By{Actor: actorOf(r.Context()), Reason: request.Reason, DiscardDrift: request.DiscardDrift}
	if reload := a.options.Program.Reload; reload != nil {
		applied, err := reload(r.Context(), by)
		return a.changed(applied, err)
	}
	return a.change(r, func(ctx context.Context, s *config.Server) (config.Applied, error) { return s.Reload(ctx, by) })
}

// plan says what a configuration would change, and changes nothing.
func (a *api) plan(ctx context.Context, c *config.Config) (any, error) {
	planned, err := a.layer.Config().Plan(c)
	if check := a.options.Program.Check; err == nil && check != nil {
		err = check(ctx, c)
	}
	v := a.appliedView(planned)
	v.DryRun = true
	return v, err
}

// change makes a change of the configuration that somebody asked for.
func (a *api) change(r *http.Request, change func(context.Context, *config.Server) (config.Applied, error)) (any, error) {
	own := func(ctx context.Context) (config.Applied, error) { return change(ctx, a.layer.Config()) }
	if through := a.options.Program.Change; through != nil {
		applied, err := through(r.Context(), own)
		return a.changed(applied, err)
	}
	applied, err := own(r.Context())
	return a.changed(applied, err)
}

// changed answers what became of a change. The server of the configuration logs it, in full.
func (a *api) changed(applied config.Applied, err error) (any, error) {
	return a.appliedView(applied), told(err)
}

func (a *api) appliedView(applied config.Applied) adminapi.Applied {
	return adminapi.Applied{
		APIVersion: adminapi.Version, Revision: a.layer.Config().Current().Number, Changes: adminapi.ChangesOf(applied.Changes), Warnings: nonNil(applied.Warnings),
	}
}
