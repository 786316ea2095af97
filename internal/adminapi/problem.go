package adminapi

import (
	"encoding/json"

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
