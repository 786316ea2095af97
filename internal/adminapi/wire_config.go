package adminapi

import (
	"strconv"
	"strings"
	"time"

	"github.com/elixirscope/foundation/config"
)

// ConfigRequest is the body of PUT /v1/config.
type ConfigRequest struct {
	YAML string `json:"yaml"`
}

// FieldChange is one setting before and after; "" stands for its default.
type FieldChange struct {
	Path  string `json:"path"`  // from the document on, as in "guards.checkout.timeout"
	Field string `json:"field"` // from the part on, as in "timeout"
	Old   string `json:"old"`
	New   string `json:"new"`
}

// ChangesOf returns changes in their wire form.
func ChangesOf(changes []config.Change) []Change {
	list := make([]Change, 0, len(changes))
	for i := range changes {
		c := &changes[i]
		v := Change{Section: c.Section, Name: c.Name, Action: c.Action, Fields: []FieldChange{}, Effect: c.Effect, Restart: c.Restart}
		for _, f := range c.Fields {
			v.Fields = append(v.Fields, FieldChange{Path: joined(PartPath(c.Section, c.Name), f.Field), Field: f.Field, Old: f.Old, New: f.New})
		}
		list = append(list, v)
	}
	return list
}

// PartPath is the path of a part, or of a section that has no named parts.
func PartPath(section, name string) string {
	if strings.Contains(name, ".") {
		name = strconv.Quote(name)
	}
	return joined(section, name)
}

func joined(path, below string) string {
	if below == "" || strings.HasPrefix(below, "[") {
		return path + below
	}
	return path + "." + below
}

// ConfigState is the answer of GET /v1/config/status.
type ConfigState struct {
	APIVersion string `json:"api_version"`
	ConfigStatus
}

// ReloadRequest is the body of POST /v1/reload.
type ReloadRequest struct {
	Reason string `json:"reason"`
	// DiscardDrift takes the file over even if it has not changed since others changed
	// the configuration.
	DiscardDrift bool `json:"discard_drift"`
}

// ConfigDocument is the answer of GET /v1/config?format=json: what a merge patch is
// made on.
type ConfigDocument struct {
	APIVersion string         `json:"api_version"`
	Revision   uint64         `json:"revision"`
	Source     string         `json:"source"`
	AppliedAt  time.Time      `json:"applied_at"`
	Hash       string         `json:"hash"`
	Document   *config.Config `json:"document"`
}

// Revision is one change of the configuration, made or refused.
type Revision struct {
	Seq      uint64    `json:"seq"`
	Revision uint64    `json:"revision"` // of a refused one that which stayed in force
	At       time.Time `json:"at"`
	Actor    string    `json:"actor"`
	Reason   string    `json:"reason"`
	Source   string    `json:"source"` // the path of the file, "api" or "code"
	Hash     string    `json:"hash"`
	Outcome  string    `json:"outcome"` // "applied" or "refused"
	Error    string    `json:"error"`   // why it was refused
	Changes  []string  `json:"changes"`
	YAML     string    `json:"yaml"` // of one revision that is asked for; empty in lists
}

// RollbackRequest is the body of POST /v1/config/rollback.
type RollbackRequest struct {
	Revision uint64 `json:"revision"`
	Reason   string `json:"reason"`
}
