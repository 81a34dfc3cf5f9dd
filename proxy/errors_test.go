package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"testing"

	"github.com/rerankd/rerankd/internal/rerank"
	"github.com/rerankd/rerankd/retriever"
	"github.com/rerankd/rerankd/scorer"
)

func TestErrorsBecomeOneStatusAndAListedOutcome(t *testing.T) {
	present := &http.Request{Header: http.Header{}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	absent := present.WithContext(ctx)
	for _, tc := range []struct {
		name    string
		request *http.Request
		err     error
		status  int // 0: nobody to answer
		outcome string
	}{
		{"client's mistake", present, fmt.Errorf("parse: %w", retriever.BadRequest("x", "y")), 400, OutcomeBadRequest},
		{"body beyond the limit", present, fmt.Errorf("%w: %w", errCaller, tooLarge(1)), 413, OutcomeTooLarge},
		{"body cut off", present, fmt.Errorf("%w: %w", errCaller, io.ErrUnexpectedEOF), 0, OutcomeClientGone},
		{"body malformed", present, fmt.Errorf("%w: %w", errCaller, errors.New("chunk")), 400, OutcomeBadRequest},
		{"client gone", absent, fmt.Errorf("score: %w", context.Canceled), 0, OutcomeClientGone},
		{"client gone, scorer says otherwise", absent, errModel, 0, OutcomeClientGone},
		{"no answer", present, fmt.Errorf("%w: %w", errUnreachable, io.EOF), 502, OutcomeUpstreamError},
		{"connecting timed out", present, fmt.Errorf("%w: %w: %w", errUnreachable, context.DeadlineExceeded, os.ErrDeadlineExceeded), 502, OutcomeUpstreamError},
		{"unreadable answer", present, fmt.Errorf("read: %w", retriever.ErrAnswer), 502, OutcomeUpstreamError},
		{"full queue", present, fmt.Errorf("score: %w", scorer.ErrOverloaded), 429, OutcomeOverloaded},
		{"out of time", present, fmt.Errorf("score: %w", context.DeadlineExceeded), 408, OutcomeDeadline},
		{"too few scores", present, fmt.Errorf("%w: %w", errModel, &rerank.CountError{Passages: 3, Scores: 2}), 500, OutcomeModelError},
		{"bad scores", present, fmt.Errorf("%w: %w", errModel, scorer.ErrScores), 400, OutcomeModelError},
		{"unknown", present, errors.New("a fault"), 500, OutcomeInternal},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := classify(tc.request, tc.err)
			status := 0
			if f.answer != nil {
				status = f.answer.Status
			}
			if status != tc.status || f.outcome != tc.outcome {
				t.Errorf("%v: status %d, outcome %s, want %d, %s", tc.err, status, f.outcome, tc.status, tc.outcome)
			}
			if !slices.Contains(Outcomes(), f.outcome) {
				t.Errorf("outcome %q is not listed", f.outcome)
			}
		})
	}
}
