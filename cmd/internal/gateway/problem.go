package gateway

import (
	"encoding/json"
	"net/http"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/telemetry"
)

// writeProblem answers what no guard refused: a path without a route, a method
// that a route does not have, a body that is too large. The form is that of
// protect.WriteRefusal, with a status that no fault code has.
func writeProblem(w http.ResponseWriter, r *http.Request, status int, code fault.Code) {
	writeProblemDetail(w, r, status, code, "")
}

// writeProblemDetail also says, where detail is not empty, what the client can do
// about it.
func writeProblemDetail(w http.ResponseWriter, r *http.Request, status int, code fault.Code, detail string) {
	body, _ := json.Marshal(struct { // strings and numbers alone: it cannot fail
		Type          string `json:"type"`
		Title         string `json:"title"`
		Status        int    `json:"status"`
		Detail        string `json:"detail,omitempty"`
		Code          string `json:"code"`
		CorrelationID string `json:"correlation_id,omitempty"`
	}{"about:blank", http.StatusText(status), status, detail, code.String(), telemetry.Correlation(r.Context())})
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may have left; nobody else can be told
}
