// Package healthhttp answers probes over HTTP from the reports of package health.
//
// [Handler] answers, below any prefix that it is mounted under with http.StripPrefix:
//
//	GET /livez            200, or 503 while what decides over liveness fails
//	GET /readyz           200, or 503 while the instance drains or what decides over readiness fails
//	GET /startupz         200, or 503 until everything that decides over readiness was checked once
//	GET /healthz          200, or 503 while the whole fails
//	GET /healthz/{group}  the same of one group; 404 where there is none of that name
//
// A warning is 200: what a load balancer asks is whether to send requests, and there are
// none to be won by sending them nowhere. The body is application/health+json
// (draft-inadarei-api-health-check-06). What is wrong stands in it only where [Options] say
// so: who may ask a probe is rarely known.
//
// No request runs a check. [Kind] is the check of a URL.
package healthhttp
