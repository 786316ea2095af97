package admin

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/adminapi"
)

func problemOf(err error) *adminapi.Problem {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		f = fault.New(fault.Spec{Code: fault.Internal, Component: "foundation", Message: err.Error()})
	}
	raw, jsonErr := json.Marshal(f)
	if jsonErr != nil { // evidence that is not a number
		raw = []byte("{}")
	}
	return &adminapi.Problem{
		Type: "about:blank", Title: f.Code().Title(), Status: f.Code().HTTPStatus(),
		Detail: err.Error(), Code: f.Code().String(), Fault: raw, Problems: nonNil(f.Problems()),
	}
}

func writeError(w http.ResponseWriter, err error) {
	if f, ok := errors.AsType[*fault.Error](err); ok && f.RetryAfter() > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(int64(math.Ceil(f.RetryAfter().Seconds())), 10))
	}
	writeProblem(w, problemOf(err))
}

func writeProblem(w http.ResponseWriter, p *adminapi.Problem) {
	w.Header().Set("Content-Type", "application/problem+json")
	writeBody(w, p.Status, p)
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	writeBody(w, http.StatusOK, v)
}

func writeBody(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	_ = enc.Encode(v) // a client that left before its answer needs none
}

func refuse(code fault.Code, message string) error {
	return fault.New(fault.Spec{Code: code, Component: "foundation", Name: "admin", Message: message})
}

// nonNil keeps empty lists from becoming null on the wire.
func nonNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
