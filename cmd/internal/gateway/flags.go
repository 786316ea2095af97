package gateway

import "strings"

// flags say what was unusual about a request. The words are a contract: they stand in
// the access log, and docs/gateway.md lists them.
type flags uint16

const (
	flagClientCanceled   flags = 1 << iota // it left before its answer was complete
	flagClientNotReading                   // it was cut because it took nothing of its answer in time
	flagClientNotSending                   // it was waited for to send its body when the time was over
	flagClientDeadline                     // its own deadline, of a gRPC call, passed
	flagClientSlow                         // the upstream gave up, and the client had held up the copy
	flagUpstreamCut                        // the upstream broke off its answer, or stood still in it
	flagGatewayCut                         // a handler of the gateway panicked
	flagBadRequest                         // it asked for what cannot be sent on
	flagBodyTooLarge                       // it sent, or announced, more than limits.max_body
	flagHeaderTooLarge                     // its header is larger than what the upstream takes
	flagNoRoute                            // no route has its path, or its method
)

var flagNames = [...]string{
	"client_canceled", "client_not_reading", "client_not_sending", "client_deadline", "client_slow", "upstream_cut", "gateway_cut", "bad_request", "body_too_large", "header_too_large", "no_route",
}

// clientsOwn are those that say nothing about the route.
const clientsOwn = flagClientCanceled | flagClientNotReading | flagClientNotSending | flagClientDeadline | flagClientSlow | ownAnswers | flagNoRoute

// ownAnswers are those of requests that the gateway answered itself, for what the client sent:
// it refused them, as a guard would. They are refusals of the route, by their words.
const ownAnswers = flagBadRequest | flagBodyTooLarge | flagHeaderTooLarge

func (i *requestInfo) has(some flags) bool { return i.flags&some != 0 }

func (i *requestInfo) flag(f flags) { i.flags |= f }

// words lists the flags of a request that has ended: first whether a guard or a limit
// refused it, then what was wrong with the upstream, then the rest.
func (i *requestInfo) words() []string {
	list := []string{}
	if i.refusal != 0 {
		list = append(list, i.refusal.String())
	}
	if i.failed != noFailure {
		list = append(list, "upstream_"+strings.TrimPrefix(upstreamClassNames[i.failed], "status_"))
	}
	for bit, name := range flagNames {
		if i.has(1 << bit) {
			list = append(list, name)
		}
	}
	return list
}
