package proxy

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/rerankd/rerankd/retriever"
)

// tentative is the [http.ResponseWriter] of a relayed answer that may yet be
// replaced: answers of some statuses are kept, up to a limit, until give sends
// them on. Others go through as they come.
type tentative struct {
	rec      *recorder
	statuses []int // to keep
	limit    int64

	header http.Header // until it is known whether the answer is kept
	status int         // of the kept answer; 0: none
	body   bytes.Buffer
	given  bool // it goes to the client
}

func newTentative(rec *recorder, limit int64, statuses ...int) *tentative {
	return &tentative{rec: rec, statuses: statuses, limit: limit, header: http.Header{}}
}

// Header is the client's own once the answer goes there: trailers are set last.
func (t *tentative) Header() http.Header {
	if t.given {
		return t.rec.Header()
	}
	return t.header
}

// WriteHeader decides whether the answer is kept.
func (t *tentative) WriteHeader(status int) {
	switch {
	case t.given:
		t.rec.WriteHeader(status)
	case status < http.StatusOK:
		maps.Copy(t.rec.Header(), t.header)
		t.rec.WriteHeader(status)
	case slices.Contains(t.statuses, status):
		t.status = status
	default:
		t.open(status)
	}
}

func (t *tentative) open(status int) {
	t.given = true
	maps.Copy(t.rec.Header(), t.header)
	t.rec.WriteHeader(status)
}

func (t *tentative) Write(p []byte) (int, error) {
	if !t.given && t.status == 0 {
		t.WriteHeader(http.StatusOK)
	}
	if t.given {
		return t.rec.Write(p)
	}
	t.body.Write(p)
	if int64(t.body.Len()) > t.limit {
		if err := t.give(); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// FlushError sends on what has been written, unless it is kept.
func (t *tentative) FlushError() error {
	if !t.given {
		return nil
	}
	if err := http.NewResponseController(t.rec).Flush(); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	return nil
}

// kept reports that an answer waits to be given or dropped.
func (t *tentative) kept() bool { return t.status != 0 && !t.given }

// give sends the kept answer on.
func (t *tentative) give() error {
	t.open(t.status)
	_, err := t.rec.Write(t.body.Bytes())
	t.body = bytes.Buffer{}
	return err
}

// giveUp sends the kept answer on at the end of its request.
func (t *tentative) giveUp() {
	if err := t.give(); err != nil {
		t.rec.outcome, t.rec.status, t.rec.err = OutcomeClientGone, statusClientGone, err
	}
}

// text is the kept answer, decompressed as far as it is readable.
func (t *tentative) text() []byte {
	if !packed(t.header) {
		return t.body.Bytes()
	}
	text, err := unpack(t.header, bytes.NewReader(t.body.Bytes()), t.limit)
	if err != nil {
		return nil
	}
	return text
}

// refusesReranker reports an answer of the cluster that speaks of the reranker, or
// of retrievers, which OpenSearch doesn't know at all.
func refusesReranker(answer []byte) bool {
	return bytes.Contains(answer, []byte(retriever.Name)) || bytes.Contains(answer, []byte("[retriever]"))
}
