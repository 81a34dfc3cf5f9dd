package scorer

import (
	"context"
	"fmt"
	"time"
)

// Deadline gives every call to a Scorer a time limit, on top of the one that the
// call has already: the earlier counts. It is safe for concurrent use.
type Deadline struct {
	inner Scorer
	limit time.Duration
}

var _ Scorer = (*Deadline)(nil)

// NewDeadline limits each call to inner. It panics when limit is not positive.
func NewDeadline(inner Scorer, limit time.Duration) *Deadline {
	if limit <= 0 {
		panic(fmt.Sprintf("scorer: a deadline of %v", limit))
	}
	return &Deadline{inner: inner, limit: limit}
}

// Score passes the call on. When the limit strikes, the error is inner's for a
// context that ended by [context.DeadlineExceeded].
func (d *Deadline) Score(ctx context.Context, query string, passages []string) ([]float32, error) {
	ctx, cancel := context.WithTimeout(ctx, d.limit)
	defer cancel()
	return d.inner.Score(ctx, query, passages)
}
