package onnx

import (
	"context"
	"errors"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rerankd/rerankd/scorer"
)

// long takes more tokens than the model "endless" computes to an end.
var long = strings.Repeat("moon ", 60)

// await spins until ok holds: what it waits for happens in the runtime's
// threads, which no synctest bubble can see.
func await(t *testing.T, e *Engine, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; runtime.Gosched() {
		e.mu.Lock()
		e.queue.mu.Lock()
		done := ok()
		e.queue.mu.Unlock()
		e.mu.Unlock()
		if done {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("waited a minute for %s", what)
		}
	}
}

// occupy, on an idle engine, starts a call that never ends by itself and returns once the model
// runs it. stop cancels it and returns its error.
func occupy(t *testing.T, e *Engine) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := e.Score(ctx, "tide", []string{long})
		done <- err
	}()
	await(t, e, "the call to reach the model", func() bool { return len(e.queue.running) > 0 })
	return sync.OnceValue(func() error {
		cancel()
		return <-done
	})
}

func TestCancelEndsARunInTheMiddle(t *testing.T) {
	e := loadFaulty(t, "endless", Options{Workers: 1})
	want, err := e.Score(t.Context(), "tide", []string{"moon", "ocean"})
	if err != nil {
		t.Fatal(err)
	}
	stop := occupy(t, e)
	// By itself the run would take longer than the universe has been there.
	if err := stop(); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	got, err := e.Score(t.Context(), "tide", []string{"moon", "ocean"})
	if err != nil {
		t.Fatalf("the session is not usable any more: %v", err)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("score %d is %v after a cancelled run, %v before", i, got[i], want[i])
		}
	}
}

func TestDeadlineInTheMiddleIsReportedAsOne(t *testing.T) {
	e := loadFaulty(t, "endless", Options{Workers: 2, BatchTokens: 64})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if scores, err := e.Score(ctx, "tide", []string{long, "moon", long, long, "ocean", long}); !errors.Is(err, context.DeadlineExceeded) || scores != nil {
		t.Errorf("got %v, %v, want nil and DeadlineExceeded", scores, err)
	}
}

func TestADeadlineLeavesTheScoresThatThereAre(t *testing.T) {
	e := loadFaulty(t, "endless", Options{Workers: 2})
	want, err := e.Score(t.Context(), "tide", []string{"moon", "ocean"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	var stats scorer.Stats
	go func() {
		_, err := e.Score(scorer.WithStats(ctx, &stats), "tide", []string{long, "moon", "ocean"})
		done <- err
	}()
	await(t, e, "the short passages to be scored", func() bool { return stats.Scored.Load() == 2 })
	cancel()
	err = <-done
	got, ok := scorer.PartialOf(err, 3)
	if !ok || !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, want a partial one of a cancelled call", err)
	}
	if !slices.Equal(got.Scored, []bool{false, true, true}) || !slices.Equal(got.Scores, []float32{0, want[0], want[1]}) {
		t.Errorf("scores %v of %v, want %v for the last two", got.Scores, got.Scored, want)
	}
	if account := stats.Tokens.Load(); account <= 0 {
		t.Errorf("%d tokens in the account", account)
	}
}

// A batch of several calls in which one pair has no score must not cost the
// other calls theirs.
func TestAPairThatFailsHarmsNoOtherCall(t *testing.T) {
	e := loadFaulty(t, "not-finite", Options{Workers: 1}) // NaN for rows of 49 tokens and more
	b := newBatch()
	defer b.cancel()
	for _, passage := range []string{"moon", long} {
		pairs, err := e.encode(t.Context(), "tide", []string{passage})
		if err != nil {
			t.Fatal(err)
		}
		j := newJob(new(scorer.Stats), 1, time.Time{})
		j.extend(pairs)
		b.add(j, []int{0})
	}
	var r rows
	results, _ := e.runAll(b, &r)
	if err := results[0].err; err != nil || len(results[0].scores) != 1 {
		t.Errorf("the sound call got %v, %v", results[0].scores, err)
	}
	if err := results[1].err; !errors.Is(err, scorer.ErrScores) {
		t.Errorf("the call whose pair has no score got %v, want ErrScores", err)
	}
}

func TestWithoutWorkersCallsWaitUntilThereAreSome(t *testing.T) {
	e := loadReference(t, Options{Workers: 2})
	if err := e.SetWorkers(0); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := e.Score(t.Context(), "tide", []string{"moon"})
		done <- err
	}()
	await(t, e, "the call to wait and the workers to end", func() bool { return len(e.queue.jobs) == 1 && e.queue.workers == 0 })
	if got := e.Backlog(); got.Workers != 0 || got.Calls != 1 || got.Batches != 0 || got.OpenTokens < 3 {
		t.Errorf("backlog %+v", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := e.Score(ctx, "tide", []string{"moon"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a call with a deadline: %v, want DeadlineExceeded", err)
	}
	if err := e.SetWorkers(3); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	for _, n := range []int{-1, mostWorkers + 1} {
		if err := e.SetWorkers(n); err == nil {
			t.Errorf("%d workers were accepted", n)
		}
	}
}

func TestDeadlineOfAMillisecondIsKept(t *testing.T) {
	e := loadReference(t, Options{})
	passages := make([]string, 300)
	for i := range passages {
		passages[i] = strings.Repeat("the moon pulls the oceans ", 60)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if scores, err := e.Score(ctx, "tide", passages); !errors.Is(err, context.DeadlineExceeded) || scores != nil {
		t.Errorf("got %d scores, %v, want none and DeadlineExceeded", len(scores), err)
	}
	if scores, err := e.Score(t.Context(), "tide", passages[:3]); err != nil || len(scores) != 3 {
		t.Errorf("the next call got %v, %v", scores, err)
	}
}

func TestCallThatWaitsLeavesAtOnceWhenItsContextEnds(t *testing.T) {
	e := loadFaulty(t, "endless", Options{Workers: 1})
	stop := occupy(t, e)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	var stats scorer.Stats
	go func() {
		_, err := e.Score(scorer.WithStats(ctx, &stats), "tide", []string{"moon"})
		done <- err
	}()
	await(t, e, "the call to queue", func() bool { return len(e.queue.jobs) == 1 })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	if stats.Queue.Load() <= 0 || stats.Infer.Load() != 0 || stats.Scored.Load() != 0 {
		t.Errorf("account %d ns queued, %d ns in the model, %d scored; want time in the queue only", stats.Queue.Load(), stats.Infer.Load(), stats.Scored.Load())
	}
	if err := stop(); !errors.Is(err, context.Canceled) {
		t.Errorf("the running call: %v", err)
	}
}

func TestSmallCallIsServedBesideAnEndlessOne(t *testing.T) {
	e := loadFaulty(t, "endless", Options{Workers: 2})
	stop := occupy(t, e)
	for range 20 {
		if _, err := e.Score(t.Context(), "tide", []string{"moon", "ocean", ""}); err != nil {
			t.Error(err)
		}
	}
	if err := stop(); !errors.Is(err, context.Canceled) {
		t.Errorf("the endless call: %v", err)
	}
}

func TestTooManyCallsAreRefusedAtOnce(t *testing.T) {
	e := loadFaulty(t, "endless", Options{Workers: 1})
	stop := occupy(t, e)
	ctx, cancel := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	for range mostCalls - 1 {
		waiting.Go(func() {
			if _, err := e.Score(ctx, "tide", []string{"moon"}); !errors.Is(err, context.Canceled) {
				t.Errorf("a call in the queue: %v", err)
			}
		})
	}
	await(t, e, "the queue to fill", func() bool { return len(e.queue.jobs) == mostCalls-1 })
	if _, err := e.Score(t.Context(), "tide", []string{"moon"}); !errors.Is(err, scorer.ErrOverloaded) {
		t.Errorf("error %v, want ErrOverloaded", err)
	}
	cancel()
	waiting.Wait()
	if err := stop(); !errors.Is(err, context.Canceled) {
		t.Errorf("the running call: %v", err)
	}
	if _, err := e.Score(t.Context(), "tide", []string{"moon"}); err != nil {
		t.Errorf("after the rush: %v", err)
	}
}

func TestCloseWaitsForCallsInsideAndRefusesNewOnes(t *testing.T) {
	e, err := Load(faulty(t, "endless"), Options{Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	stop := occupy(t, e)
	closed := make(chan error, 2)
	for range 2 {
		go func() { closed <- e.Close() }()
	}
	await(t, e, "Close to begin", func() bool { return e.closing })
	if _, err := e.Score(t.Context(), "tide", []string{"moon"}); !errors.Is(err, ErrClosed) {
		t.Errorf("error %v, want ErrClosed", err)
	}
	select {
	case err := <-closed:
		t.Errorf("Close returned %v with a call inside", err)
	default:
	}
	if err := stop(); !errors.Is(err, context.Canceled) {
		t.Errorf("the call inside: %v", err)
	}
	for range 2 {
		if err := <-closed; err != nil {
			t.Error(err)
		}
	}
	if err := e.SetWorkers(1); !errors.Is(err, ErrClosed) {
		t.Errorf("workers after Close: %v, want ErrClosed", err)
	}
}

// Callers come and go while others are cancelled and the engine closes. The
// race detector and the leak check judge; whoever gets scores gets right ones.
func TestManyCallersManyCancellationsOneClose(t *testing.T) {
	e, err := Load(readReference(t), Options{Workers: 2, BatchTokens: 128})
	if err != nil {
		t.Fatal(err)
	}
	passages := []string{"The Moon's gravity pulls the oceans.", "", long, "Keep only a slow salted hash.", "x"}
	want, err := e.Score(t.Context(), "what causes the tides", passages)
	if err != nil {
		t.Fatal(err)
	}
	var callers sync.WaitGroup
	for caller := range 8 {
		callers.Go(func() {
			for i := range 30 {
				ctx, cancel := context.WithCancel(t.Context())
				if (i+caller)%3 == 0 {
					time.AfterFunc(time.Duration(i)*100*time.Microsecond, cancel)
				}
				got, err := e.Score(ctx, "what causes the tides", passages)
				cancel()
				if errors.Is(err, ErrClosed) {
					return
				}
				if err != nil && !errors.Is(err, context.Canceled) {
					t.Errorf("caller %d: %v", caller, err)
				}
				for k := range got {
					if math.Abs(float64(got[k]-want[k])) > tolerance {
						t.Errorf("caller %d: score %d is %v, want %v", caller, k, got[k], want[k])
					}
				}
				if caller == 0 && i == 20 {
					if err := e.Close(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	callers.Wait()
}

// Whatever moment a call is cancelled at, nothing of it may stay.
func TestTenThousandCancelledCallsLeaveNothing(t *testing.T) {
	e := loadReference(t, Options{Workers: 2})
	passages := []string{"The Moon's gravity pulls the oceans.", "", long, "Keep only a slow salted hash.", "x"}
	const callers, calls = 8, 1250
	var running sync.WaitGroup
	var answered, partial atomic.Int64
	for caller := range callers {
		running.Go(func() {
			for i := range calls {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration((i*7+caller)%40)*50*time.Microsecond)
				_, err := e.Score(ctx, "what causes the tides", passages)
				cancel()
				if _, ok := scorer.PartialOf(err, len(passages)); ok {
					partial.Add(1)
				}
				switch {
				case err == nil:
					answered.Add(1)
				case !errors.Is(err, context.DeadlineExceeded):
					t.Errorf("call: %v", err)
				}
			}
		})
	}
	running.Wait()
	t.Logf("%d calls: %d answered in time, %d in part", callers*calls, answered.Load(), partial.Load())
	await(t, e, "the last batches to end", func() bool { return len(e.queue.running) == 0 })
	if got := e.Backlog(); got != (Backlog{Workers: 2}) || len(e.queue.jobs) != 0 {
		t.Errorf("left: %+v, %d jobs", got, len(e.queue.jobs))
	}
}
