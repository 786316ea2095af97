package adminapi

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"

	"github.com/elixirscope/foundation/fault"
)

// Problem is the body of an error (RFC 9457). Unlike the public bodies of the
// gateway it carries the name, the evidence and the single faults: whoever may
// read the admin API may know why.
type Problem struct { //nolint:errname // the word of RFC 9457
	Type     string          `json:"type"`
	Title    string          `json:"title"`
	Status   int             `json:"status"`
	Detail   string          `json:"detail"`
	Code     string          `json:"code"`
	Fault    json.RawMessage `json:"fault"`
	Problems []fault.Problem `json:"problems"`
}

// Error makes a Problem the error that the client returns.
func (p *Problem) Error() string {
	if p.Detail != "" {
		return p.Detail
	}
	return p.Title
}

// Is reports whether target is the code of the problem.
func (p *Problem) Is(target error) bool {
	code, ok := target.(fault.Code)
	return ok && code.String() == p.Code
}

func problemOf(err error) *Problem {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		f = fault.New(fault.Spec{Code: fault.Internal, Component: "foundation", Message: err.Error()})
	}
	raw, jsonErr := json.Marshal(f)
	if jsonErr != nil { // evidence that is not a number
		raw = []byte("{}")
	}
	return &Problem{
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

func writeProblem(w http.ResponseWriter, p *Problem) {
	w.Header().Set("Content-Type", "application/problem+json")
	writeBody(w, p.Status, p)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	writeBody(w, status, v)
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
