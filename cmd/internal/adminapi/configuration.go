package adminapi

import (
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/elixirscope/foundation/fault"
)

// etag names a revision for If-Match.
func etag(revision uint64) string { return strconv.Quote(strconv.FormatUint(revision, 10)) }

func (a *api) getConfig(w http.ResponseWriter, _ *http.Request) {
	c, revision, at := a.Layer.Config()
	file, _ := c.Source()
	text, err := c.YAML()
	if err != nil {
		writeError(w, err)
		return
	}
	w.Header().Set("ETag", etag(revision))
	writeJSON(w, http.StatusOK, Config{APIVersion: Version, Revision: revision, Source: file, AppliedAt: at, YAML: string(text)})
}

// ConfigRequest is the body of PUT /v1/config.
type ConfigRequest struct {
	YAML string `json:"yaml"`
}

// AnyRevision stands for whatever revision is in force.
const AnyRevision = 0

// seen is the revision that the request wants to replace. That it is in force is
// checked here for a good answer, and again when the change has its turn.
func (a *api) seen(r *http.Request) (uint64, error) {
	match := r.Header.Get("If-Match")
	if match == "" || match == "*" {
		return AnyRevision, nil
	}
	_, revision, _ := a.Layer.Config()
	if !strings.Contains(match, etag(revision)) {
		return 0, refuse(fault.Conflict, "the configuration is at revision "+etag(revision)+" and not at the one that If-Match names: look at it again")
	}
	return revision, nil
}

func (a *api) putConfig(r *http.Request) (any, error) {
	dry, err := dryRun(r)
	if err != nil {
		return nil, err
	}
	seen, err := a.seen(r)
	if err != nil {
		return nil, err
	}
	var request ConfigRequest
	if err := read(r, &request); err != nil {
		return nil, err
	}
	c, err := a.Daemon.Parse(request.YAML)
	if err != nil {
		return nil, err
	}
	if dry {
		return a.Daemon.Plan(c)
	}
	applied, err := a.Daemon.Apply(r.Context(), c, seen)
	if err == nil {
		a.log(r, "apply", "config", "", slog.Uint64("revision", applied.Revision))
	}
	return applied, err
}

func (a *api) reload(r *http.Request) (any, error) {
	dry, err := dryRun(r)
	if err != nil {
		return nil, err
	}
	if dry {
		return a.Daemon.PlanReload()
	}
	applied, err := a.Daemon.Reload(r.Context())
	if err == nil {
		a.log(r, "reload", "config", "", slog.Uint64("revision", applied.Revision))
	}
	return applied, err
}
