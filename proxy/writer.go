package proxy

import (
	"log/slog"
	"net/http"
	"strconv"
	"time"
)

// recorder is the [http.ResponseWriter] of one request. It remembers how the
// answer went, for the log and the metrics.
type recorder struct {
	http.ResponseWriter
	start   time.Time
	route   string
	outcome string
	err     error // why the outcome is what it is; nil for none
	status  int   // 0 until the final header is written
	streams bool  // what is written is seen at once, see Write
	left    int64 // bytes of the body to come, by its Content-Length; -1 when that isn't known
	gone    bool  // a write failed: nobody reads any more
	broken  bool  // the answer ends in the middle
	summary summary
	wrap    func(answer []byte) []byte // what the answer is given in; nil: as it is
	form    form                       // of answers that are not relayed as they come
}

// of finds the recorder that ServeHTTP put in front. Handlers of this package
// are reached through it alone, or through a tentative answer over it.
func of(w http.ResponseWriter) *recorder {
	if t, ok := w.(*tentative); ok {
		return t.rec
	}
	return w.(*recorder)
}

// WriteHeader sends the header. An answer without a Content-Type stays without:
// net/http would guess one from the body. The cluster's 100 is left to net/http,
// which sends one as soon as the body is read, and so after the cluster wants it.
func (w *recorder) WriteHeader(status int) {
	if status == http.StatusContinue {
		return
	}
	if status >= http.StatusOK || status == http.StatusSwitchingProtocols {
		w.status = status
		w.left = announced(w.Header())
		if _, has := w.Header()["Content-Type"]; !has {
			w.Header()["Content-Type"] = nil
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

// announced is the length of a body, -1 for one that isn't told.
func announced(h http.Header) int64 {
	length, err := strconv.ParseInt(h.Get("Content-Length"), 10, 64)
	if err != nil {
		return -1
	}
	return length
}

// Write sends a part of the body. Of an answer that streams, a part is seen as it
// comes, unless it is the last: that goes out when the handler ends, and so with
// the header where there is no other. ReverseProxy sees to bodies whose length
// isn't known.
func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	n, err := w.ResponseWriter.Write(p)
	if w.streams && w.left >= 0 {
		if w.left -= int64(n); w.left > 0 && err == nil {
			err = http.NewResponseController(w.ResponseWriter).Flush()
		}
	}
	if err != nil {
		w.gone = true
	}
	return n, err
}

// Unwrap lets [http.ResponseController] reach Flush and Hijack.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// aborted records an answer that ended in the middle: by the client's leaving,
// or by the cluster's.
func (w *recorder) aborted(r *http.Request) {
	if w.gone || r.Context().Err() != nil {
		w.outcome, w.status = OutcomeClientGone, statusClientGone
		return
	}
	w.outcome = OutcomeUpstreamError
}

// level is how loud the request's log line is: a warning if something but the
// client failed, nothing much if a request went through.
func (w *recorder) level() slog.Level {
	switch {
	case w.outcome == OutcomeOK && w.route == RoutePassthrough:
		return slog.LevelDebug
	case w.outcome == OutcomeOK, w.outcome == OutcomeBadRequest, w.outcome == OutcomeTooLarge, w.outcome == OutcomeClientGone:
		return slog.LevelInfo
	case w.outcome == OutcomeUpstreamError && w.status < http.StatusInternalServerError: // the cluster's word on a bad search
		return slog.LevelInfo
	}
	return slog.LevelWarn
}
