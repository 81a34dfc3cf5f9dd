package scorer

import (
	"errors"
	"fmt"
)

// PartialError is the error of a call whose context ended when some of its
// passages were scored, or which was ended on purpose ([ErrEnough]). It wraps why
// the rest were not, so that errors.Is finds [context.DeadlineExceeded] in it, and
// a caller that knows nothing of partial results sees an ordinary error.
//
// A Scorer that can tell returns one; a decorator passes it on in the terms of
// its own passages. Find it with errors.As. The slices belong to whoever gets it.
type PartialError struct {
	// Scores has one for each passage, in passage order. Where there is none it is
	// 0, or what orders the passages without a score among each other.
	Scores []float32
	Scored []bool // which passages have a score: at least one
	Err    error
}

// Partial returns err, with the scores in it if any passage has one.
func Partial(scores []float32, scored []bool, err error) error {
	for _, ok := range scored {
		if ok {
			return &PartialError{Scores: scores, Scored: scored, Err: err}
		}
	}
	return err
}

// PartialOf returns the scores in err for a call of n passages. ok is false when
// there are none, or when they are not those of such a call.
func PartialOf(err error, n int) (p *PartialError, ok bool) {
	if !errors.As(err, &p) || len(p.Scores) != n || len(p.Scored) != n {
		return nil, false
	}
	return p, true
}

// Count returns how many passages have a score.
func (e *PartialError) Count() int {
	n := 0
	for _, ok := range e.Scored {
		if ok {
			n++
		}
	}
	return n
}

// Error names how far the call came, and why no farther.
func (e *PartialError) Error() string {
	return fmt.Sprintf("%d of %d passages scored: %v", e.Count(), len(e.Scored), e.Err)
}

// Unwrap returns why passages are without a score.
func (e *PartialError) Unwrap() error { return e.Err }
