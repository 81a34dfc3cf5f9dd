package onnx

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rerankd/rerankd/scorer"
	"github.com/rerankd/rerankd/scorer/tokenizer"
)

// perToken is how long the workers of these tests take for a token, padding included.
const perToken = time.Millisecond

// pairsOf makes pairs that are so many tokens long.
func pairsOf(t *testing.T, lengths ...int) []tokenizer.Pair {
	t.Helper()
	tok := loadReference(t, Options{Workers: 1}).tokenizer
	pairs := make([]tokenizer.Pair, len(lengths))
	for i, n := range lengths {
		pairs[i] = tok.Pair(nil, make([]uint32, n-tok.SpecialTokens()), n)
	}
	return pairs
}

func repeat(length, times int) []int {
	lengths := make([]int, times)
	for i := range lengths {
		lengths[i] = length
	}
	return lengths
}

// line is a queue in a synctest bubble whose workers take perToken for a token.
type line struct {
	t *testing.T
	*queue
	seen [][]int // tokens of each batch that was run, padded, by part
}

func newLine(t *testing.T, budget int) *line {
	t.Helper()
	l := &line{t: t, queue: newQueue(budget)}
	t.Cleanup(func() {
		synctest.Wait()
		if len(l.jobs)+len(l.running)+l.open+l.workers != 0 {
			t.Errorf("%d jobs, %d batches, %d tokens and %d workers are left", len(l.jobs), len(l.running), l.open, l.workers)
		}
	})
	return l
}

func (l *line) start(workers int) {
	for range l.want(workers) {
		go func() {
			for {
				b, ok := l.take()
				if !ok {
					return
				}
				longest, sizes := 0, []int{}
				for _, p := range b.pairs {
					longest = max(longest, p.Len())
				}
				took := time.Duration(longest*len(b.pairs)) * perToken
				results := make([]result, len(b.parts))
				select {
				case <-time.After(took):
				case <-b.ctx.Done():
					took = 0
				}
				for i, p := range b.parts {
					results[i] = result{scores: make([]float32, len(p.pairs)), length: longest, err: b.ctx.Err()}
					sizes = append(sizes, longest*len(p.pairs))
				}
				l.mu.Lock()
				l.seen = append(l.seen, sizes)
				l.mu.Unlock()
				l.finish(b, results, took)
			}
		}()
	}
}

// call is a job and when it was put and done.
type call struct {
	*job
	put, end time.Time
}

func (l *line) call(pairs []tokenizer.Pair, deadline time.Duration) *call {
	c := &call{put: time.Now()}
	var at time.Time
	if deadline > 0 {
		at = c.put.Add(deadline)
	}
	c.job = newJob(new(scorer.Stats), len(pairs), at)
	l.put(c.job, pairs, c.put)
	go func() {
		<-c.done
		c.end = time.Now()
	}()
	return c
}

// order runs what is in the queue on one worker and returns the indices of the
// job's pairs in the order in which they were taken.
func (l *line) order(j *job) []int {
	var order []int
	l.want(1)
	l.close()
	for {
		b, ok := l.take()
		if !ok {
			return order
		}
		results := make([]result, len(b.parts))
		for i, p := range b.parts {
			if p.job == j {
				order = append(order, p.pairs...)
			}
			results[i] = result{scores: make([]float32, len(p.pairs)), length: 1}
		}
		for _, p := range b.pairs {
			time.Sleep(time.Duration(p.Len()) * perToken)
		}
		b.cancel()
		l.finish(b, results, 0)
	}
}

func TestAThousandPassagesDoNotStarveThirty(t *testing.T) {
	large, small := pairsOf(t, repeat(100, 1000)...), pairsOf(t, repeat(100, 30)...)
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, 512)
		first := l.call(large, 0)
		l.start(1)
		time.Sleep(3 * time.Second)
		second := l.call(small, 0)
		<-second.done
		synctest.Wait()
		// Its own 3,000 tokens, a round of the large call before each of the two
		// that it takes, and the batch that was running.
		if took, most := second.end.Sub(second.put), 3000*perToken+2*roundTokens*perToken+2*512*perToken; took > most {
			t.Errorf("the call with 30 passages took %v, want at most %v", took, most)
		}
		<-first.done
		synctest.Wait()
		if took, want := first.end.Sub(first.put), 103_000*perToken; took != want {
			t.Errorf("the call with 1,000 passages took %v, want %v: the worker idled or did work twice", took, want)
		}
		l.close()
	})
}

func TestManySmallCallsDoNotStarveALargeOne(t *testing.T) {
	large, small := pairsOf(t, repeat(100, 100)...), pairsOf(t, repeat(100, 5)...)
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, 512)
		first := l.call(large, 0)
		l.start(1)
		finished := make(chan struct{})
		go func() { // a new small call whenever one ends: alone they fill the worker
			defer close(finished)
			for {
				select {
				case <-first.done:
					return
				default:
					<-l.call(small, 0).done
				}
			}
		}()
		<-finished
		synctest.Wait()
		if took, most := first.end.Sub(first.put), 2*10_000*perToken+2*roundTokens*perToken; took > most {
			t.Errorf("the large call took %v beside a stream of small ones, want at most %v: half of the worker", took, most)
		}
		l.close()
	})
}

func TestEqualCallsEndInTheOrderTheyCame(t *testing.T) {
	pairs := pairsOf(t, repeat(100, 15)...)
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, 512)
		var calls []*call
		for range 4 {
			calls = append(calls, l.call(pairs, 0))
		}
		l.start(1)
		for i, c := range calls {
			<-c.done
			synctest.Wait()
			if took, most := c.end.Sub(c.put), time.Duration(i+1)*1500*perToken+512*perToken; took > most {
				t.Errorf("call %d took %v, want at most %v: as many calls as came before it, and its own", i, took, most)
			}
		}
		l.close()
	})
}

func TestACallWhoseDeadlineIsNearGoesFirst(t *testing.T) {
	pairs := pairsOf(t, repeat(100, 20)...)
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, 512)
		l.perToken = perToken
		relaxed := []*call{l.call(pairs, 0), l.call(pairs, time.Hour), l.call(pairs, 0)}
		hurried := l.call(pairs, 3*time.Second)
		most := l.call(pairs, 2600*time.Millisecond)
		l.start(1)
		<-hurried.done
		<-most.done
		synctest.Wait()
		if got, want := most.end.Sub(most.put), 2000*perToken; got > want+512*perToken {
			t.Errorf("the call with the nearest deadline took %v, want its own %v", got, want)
		}
		if !hurried.end.After(most.end) {
			t.Error("the nearest deadline did not go first")
		}
		for i, c := range relaxed {
			<-c.done
			synctest.Wait()
			if c.end.Before(hurried.end) {
				t.Errorf("call %d, which has time, ended before the hurried one", i)
			}
		}
		l.close()
	})
}

// Whoever sets an impossible deadline must not take the model from the others.
func TestADeadlineThatCannotBeMetDoesNotStarveOthers(t *testing.T) {
	large, small := pairsOf(t, repeat(100, 1000)...), pairsOf(t, repeat(100, 30)...)
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, 512)
		l.perToken = perToken
		greedy := l.call(large, 100*time.Second)
		patient := l.call(small, 0)
		l.start(1)
		<-patient.done
		synctest.Wait()
		if took, most := patient.end.Sub(patient.put), 3000*perToken+(2+roundsAhead)*roundTokens*perToken; took > most {
			t.Errorf("the patient call took %v, want at most %v", took, most)
		}
		l.drop(greedy.job)
		synctest.Wait()
		l.close()
	})
}

// The timers of contexts are late on a busy machine: the queue goes by the clock.
func TestNoBatchIsBegunForACallWhoseDeadlineHasPassed(t *testing.T) {
	pairs := pairsOf(t, repeat(100, 10)...)
	for _, tc := range []struct {
		name            string
		wait            time.Duration // for a worker
		batches, scored int
	}{
		{"while it waited for a worker", 80 * perToken, 0, 0},
		{"while its first batch ran", 0, 1, 4},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLine(t, 500)
				c := l.call(pairs, 70*perToken)
				time.Sleep(tc.wait)
				l.start(1)
				<-c.done
				l.close()
				synctest.Wait()
				if scored := trueIn(c.scored); len(l.seen) != tc.batches || scored != tc.scored {
					t.Errorf("%d batches and %d scores, want %d and %d", len(l.seen), scored, tc.batches, tc.scored)
				}
				if _, err := c.outcome(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("error %v, want DeadlineExceeded", err)
				}
			})
		})
	}
}

func trueIn(list []bool) (n int) {
	for _, b := range list {
		if b {
			n++
		}
	}
	return n
}

func TestPassagesAreTakenLongestFirstAndInFirstStageOrderWhenTimeIsShort(t *testing.T) {
	pairs := pairsOf(t, 10, 200, 50, 90, 20, 150)
	for _, tc := range []struct {
		name     string
		deadline time.Duration
		want     []int
	}{
		{"no deadline", 0, []int{1, 5, 3, 2, 4, 0}},
		{"a deadline far away", time.Hour, []int{1, 5, 3, 2, 4, 0}},
		{"a deadline that is near", 500 * time.Millisecond, []int{0, 1, 2, 3, 4, 5}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLine(t, 64)
				l.perToken = perToken
				if got := l.order(l.call(pairs, tc.deadline).job); !slices.Equal(got, tc.want) {
					t.Errorf("taken in the order %v, want %v", got, tc.want)
				}
			})
		})
	}
}

func TestABatchHoldsPairsOfAboutEqualLengthOfAllCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, 512)
		l.call(pairsOf(t, 20, 90, 21), 0)
		l.call(pairsOf(t, 24, 20, 30), 0)
		l.call(pairsOf(t, 18), 0)
		l.want(1)
		var got []string
		for len(l.jobs) > 0 {
			b, _ := l.take()
			text := ""
			for _, p := range b.parts {
				text += fmt.Sprint(p.pairs)
			}
			got = append(got, text)
			b.cancel()
			results := make([]result, len(b.parts))
			for i, p := range b.parts {
				results[i].scores = make([]float32, len(p.pairs))
			}
			l.finish(b, results, 0)
		}
		if want := []string{"[1]", "[0 2][0 1][0]", "[2]"}; !slices.Equal(got, want) {
			t.Errorf("batches %v, want %v", got, want)
		}
		l.want(0)
		l.take()
	})
}

func TestEveryPairRunsOnceWithinTheBudgetWithLittlePadding(t *testing.T) {
	tok := loadReference(t, Options{Workers: 1}).tokenizer
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		budget, alone := 16+rng.IntN(2048), rng.IntN(4) == 0
		jobs := make([]*job, 1+rng.IntN(5))
		pairsOf := make([][]tokenizer.Pair, len(jobs))
		for k := range jobs {
			pairs := make([]tokenizer.Pair, 1+rng.IntN(100))
			for i := range pairs {
				n := 3 + rng.IntN(254)
				pairs[i] = tok.Pair(nil, make([]uint32, n-tok.SpecialTokens()), n)
			}
			jobs[k], pairsOf[k] = newJob(new(scorer.Stats), len(pairs), time.Time{}), pairs
		}
		synctest.Test(t, func(t *testing.T) {
			l := newLine(t, budget)
			l.alone = alone
			seen := map[*job]map[int]int{}
			for k, j := range jobs {
				seen[j] = map[int]int{}
				l.put(j, pairsOf[k], time.Now())
			}
			l.want(1)
			l.close()
			for {
				b, ok := l.take()
				if !ok {
					break
				}
				shortest, longest := 1<<30, 0
				results := make([]result, len(b.parts))
				for i, p := range b.parts {
					for _, k := range p.pairs {
						seen[p.job][k]++
						shortest, longest = min(shortest, p.job.pairs[k].Len()), max(longest, p.job.pairs[k].Len())
					}
					results[i].scores = make([]float32, len(p.pairs))
				}
				if n := len(b.pairs); n > 1 && (alone || n*longest > budget || longest-shortest >= bucketTokens) {
					t.Fatalf("a batch of %d pairs of %d to %d tokens, budget %d, alone %v", n, shortest, longest, budget, alone)
				}
				b.cancel()
				l.finish(b, results, 0)
			}
			for _, j := range jobs {
				for i := range j.pairs {
					if seen[j][i] != 1 {
						t.Fatalf("pair %d ran %d times", i, seen[j][i])
					}
				}
				if !j.finished || slices.Contains(j.scored, false) {
					t.Fatal("a job has not got all its scores")
				}
			}
		})
	}
}

func TestALoneCallKeepsEveryWorkerBusyToItsEnd(t *testing.T) {
	pairs := pairsOf(t, repeat(20, 100)...) // four batches of the budget: 500 ms each
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, 512)
		c := l.call(pairs, 0)
		l.start(3)
		<-c.done
		synctest.Wait()
		if took, most := c.end.Sub(c.put), 2000*perToken/3+leastShare*perToken; took > most {
			t.Errorf("2,000 tokens took 3 workers %v, want at most %v: batches %v", took, most, l.seen)
		}
		l.close()
	})
}

// A large call is tokenised while its first passages are scored.
func TestACallThatGrowsIsServedAllTheWhile(t *testing.T) {
	pairs := pairsOf(t, repeat(100, 30)...)
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, 512)
		l.start(1)
		j := newJob(new(scorer.Stats), len(pairs), time.Time{})
		begin := time.Now()
		for i, pause := range []time.Duration{0, 500 * perToken, 2000 * perToken} { // after the second the worker runs dry
			time.Sleep(pause)
			if !l.put(j, pairs[10*i:10*i+10], time.Now()) {
				t.Fatal("the call is over before its end")
			}
		}
		<-j.done
		if took, want := time.Since(begin), 3500*perToken; slices.Contains(j.scored, false) || took != want {
			t.Errorf("scored %v after %v, want all after %v", j.scored, took, want)
		}
		l.close()
	})
}

func TestACallThatLeavesStopsItsBatchesUnlessOthersAreInThem(t *testing.T) {
	pairs := pairsOf(t, 20, 20)
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, 512)
		stays, leaves := l.call(pairs, 0), l.call(pairs, 0)
		l.start(1)
		synctest.Wait()
		l.drop(leaves.job)
		<-stays.done
		synctest.Wait()
		if !slices.Equal(stays.scored, []bool{true, true}) || stays.end.Sub(stays.put) != 80*perToken {
			t.Errorf("the call that stays: scored %v after %v, want all after the whole batch", stays.scored, stays.end.Sub(stays.put))
		}
		if slices.Contains(leaves.scored, true) || leaves.end != leaves.put {
			t.Errorf("the call that left has scores %v, or left late: after %v", leaves.scored, leaves.end.Sub(leaves.put))
		}

		alone := l.call(pairs, 0)
		synctest.Wait()
		l.drop(alone.job)
		synctest.Wait()
		if len(l.running) != 0 {
			t.Error("a batch that nobody waits for goes on")
		}
		l.close()
	})
}

func TestAFailureEndsTheCallAndItsOtherBatches(t *testing.T) {
	pairs := pairsOf(t, 20, 100, 50)
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, 64)
		c := l.call(pairs, 0)
		l.want(2)
		one, _ := l.take()
		two, _ := l.take()
		boom := errors.New("boom")
		l.finish(one, []result{{err: boom}}, 0)
		<-c.done
		if _, err := c.outcome(t.Context()); !errors.Is(err, boom) {
			t.Errorf("got %v, want %v", err, boom)
		}
		if two.ctx.Err() == nil {
			t.Error("the other batch of the call goes on")
		}
		l.finish(two, []result{{err: two.ctx.Err()}}, 0)
		one.cancel()
		l.want(0)
		l.take()
		l.take()
	})
}

func TestWorkersComeAndGo(t *testing.T) {
	pairs := pairsOf(t, repeat(100, 10)...)
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, 100)
		c := l.call(pairs, 0)
		time.Sleep(time.Minute)
		if c.finished {
			t.Error("a call was served without a worker")
		}
		l.start(2)
		<-c.done
		l.start(0)
		synctest.Wait()
		if l.workers != 0 {
			t.Errorf("%d workers are left, want none", l.workers)
		}
		late := l.call(pairs, 0)
		time.Sleep(time.Minute)
		l.start(5)
		start := time.Now()
		<-late.done
		if took := time.Since(start); took != 200*perToken {
			t.Errorf("ten pairs took five workers %v, want %v", took, 200*perToken)
		}
		l.close()
	})
}
