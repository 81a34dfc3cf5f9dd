package proxy

import (
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// Keys of the log lines of this package. Credentials, query text and document
// text have none.
const (
	keyID       = "id"
	keyMethod   = "method"
	keyPath     = "path"
	keyIndex    = "index"
	keyEndpoint = "endpoint"
	keyWindow   = "window"
	keyPassages = "passages"
	keyScored   = "scored"
	keyHits     = "cache_hits"
	keyMisses   = "cache_misses"
	keyOutcome  = "outcome"
	keyReason   = "reason"
	keyStatus   = "status"
	keyMillis   = "ms"
	keyNode     = "node"
	keyFlavour  = "flavour"
	keyError    = "error"
	keyStack    = "stack"
	keySuffix   = "_ms" // after the name of a stage
)

// statusClientGone is logged for a client that hung up. It is never sent.
const statusClientGone = 499

// maxLogged bounds what a caller can put into a log line.
const maxLogged = 200

// requestID is the caller's own id, or one made up to join log lines by.
func requestID(r *http.Request) string {
	if id := r.Header.Get("X-Opaque-Id"); id != "" {
		return clip(id)
	}
	return strconv.FormatUint(rand.Uint64(), 36)
}

// maxLoggedError bounds an error, which may name what a caller named.
const maxLoggedError = 1000

func clip(s string) string { return s[:min(len(s), maxLogged)] }

func clipError(err error) string {
	text := err.Error()
	return text[:min(len(text), maxLoggedError)]
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func stageAttr(stage string, d time.Duration) slog.Attr {
	return slog.Float64(stage+keySuffix, milliseconds(d))
}
