package httpd

import (
	"net/http"

	"muster/model"
)

// limitsPage is where the error about an oversized body sends its reader, with
// the name of the setting. It is part of a text that clients of the original
// know.
const limitsPage = "https://www.consul.io/docs/agent/options.html#"

// statusOf is the HTTP status of each kind of error.
var statusOf = [...]int{
	model.Internal:       http.StatusInternalServerError,
	model.BadRequest:     http.StatusBadRequest,
	model.NotFound:       http.StatusNotFound,
	model.Denied:         http.StatusForbidden,
	model.NoToken:        http.StatusForbidden,
	model.ACLDisabled:    http.StatusUnauthorized,
	model.Conflict:       http.StatusConflict,
	model.TooLarge:       http.StatusRequestEntityTooLarge,
	model.TooMany:        http.StatusTooManyRequests,
	model.NoLeader:       http.StatusInternalServerError,
	model.NotLeader:      http.StatusInternalServerError,
	model.LeadershipLost: http.StatusInternalServerError,
	model.NotReady:       http.StatusInternalServerError,
	model.NoDatacenter:   http.StatusInternalServerError,
	model.NoServers:      http.StatusInternalServerError,
	model.Unimplemented:  http.StatusNotImplemented,
	model.Disabled:       http.StatusUnauthorized,
	model.Overloaded:     http.StatusServiceUnavailable,
	model.Canceled:       http.StatusInternalServerError,
}
