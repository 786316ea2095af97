package gateway

import (
	"math/bits"
	"net/http"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/outcome"
)

// neutralEnding is how a request ended that neither succeeded nor failed nor was refused. The
// names are a contract.
type neutralEnding uint8

const (
	neutralLeft neutralEnding = iota
	neutralNotSending
	neutralDeadline
	neutralSlow
	neutralUpgraded
	neutralStatus // 429 or 499 of the upstream
	neutralOther
	neutralEndings
)

var neutralNames = [neutralEndings]string{fault.Canceled.String(), "client_not_sending", "client_deadline", "client_slow", "upgraded", "4xx", "other"}

// settle counts how a request ended: once, so that what succeeded, failed, was refused and is
// neutral adds up to all requests. A refusal that is answered with 5xx has failed as well, as
// its client sees it.
func (t *traffic) settle(i *requestInfo, took time.Duration, how outcome.Outcome) {
	own := i.flags & ownAnswers
	switch {
	case i.refusal != 0:
		t.refused[int(i.refusal)%refusalCodes].Add(1)
	case own != 0:
		t.answered[bits.TrailingZeros16(uint16(own))].Add(1)
	case how == outcome.Ignored:
		t.neutral[i.neutral()].Add(1)
	}
	if how == outcome.Ignored && (i.refusal != 0 || own != 0) {
		t.shed.Add(1)
		return
	}
	t.requests.Record(took, how)
}

func (i *requestInfo) neutral() neutralEnding {
	switch {
	case i.has(flagClientCanceled|flagClientNotReading) || i.by == byClient:
		return neutralLeft
	case i.has(flagClientNotSending):
		return neutralNotSending
	case i.has(flagClientDeadline):
		return neutralDeadline
	case i.has(flagClientSlow):
		return neutralSlow
	case i.status == http.StatusSwitchingProtocols:
		return neutralUpgraded
	case classOfStatus(i.statusCode()) == status4xx:
		return neutralStatus
	}
	return neutralOther
}
