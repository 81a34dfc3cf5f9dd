package proxy

import (
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/rerankd/rerankd/scorer"
)

const (
	timingHeader  = "Server-Timing"
	outcomeHeader = "X-Rerankd-Outcome"
	cacheHeader   = "X-Rerankd-Cache"
)

// summary is what one reranked search has to tell: in its log line, in the
// headers of its answer and to the metrics.
type summary struct {
	index    string // escaped, as in the path
	endpoint string
	window   int
	passages int
	scored   int           // passages that got a score
	spared   int           // passages left without one on purpose
	limit    time.Duration // of the rerank step
	reason   string        // why the rerank step failed, an outcome label; empty for none

	parse, upstream, splice time.Duration
	scoring                 scorer.Stats
}

// stages lists the time of each stage in the order of [Stages].
func (s *summary) stages(total time.Duration) [7]time.Duration {
	return [7]time.Duration{
		s.parse, s.upstream,
		time.Duration(s.scoring.Tokenize.Load()), time.Duration(s.scoring.Queue.Load()), time.Duration(s.scoring.Infer.Load()),
		s.splice, total,
	}
}

// observe reports the stages of a search that got as far as an answer.
func (s *summary) observe(o Observer, total time.Duration) {
	durations := s.stages(total)
	for i, stage := range Stages() {
		o.Stage(stage, durations[i].Seconds())
	}
	o.Passages(s.passages)
}

// tell writes the headers of rerankd's own into an answer.
func (s *summary) tell(h http.Header, total time.Duration) {
	var timing []byte
	durations := s.stages(total)
	for i, stage := range Stages() {
		if i > 0 {
			timing = append(timing, ", "...)
		}
		timing = append(append(timing, stage...), ";dur="...)
		timing = strconv.AppendFloat(timing, milliseconds(durations[i]), 'f', 3, 64)
	}
	h.Set(timingHeader, string(timing))
	h.Set(cacheHeader, fmt.Sprintf("hits=%d, misses=%d", s.scoring.CacheHits.Load(), s.scoring.CacheMisses.Load()))
	switch {
	case s.reason == "" && s.scored == s.passages:
		h.Set(outcomeHeader, "reranked")
		return
	case s.reason == "" && s.scored+s.spared == s.passages:
		h.Set(outcomeHeader, fmt.Sprintf("reranked; scored=%d/%d", s.scored, s.passages))
		return
	case s.reason == "":
		h.Set(outcomeHeader, fmt.Sprintf("partial; scored=%d/%d", s.scored, s.passages))
		h.Add("Warning", fmt.Sprintf(`299 rerankd "the time for reranking ended with %d of %d passages scored: the others follow in the order of the first stage"`, s.scored, s.passages))
		return
	}
	tellDegraded(h, s.reason)
}

// tellDegraded says that the hits are in the order of the first stage, and why.
func tellDegraded(h http.Header, reason string) {
	h.Set(outcomeHeader, "degraded; reason="+reason)
	h.Add("Warning", `299 rerankd "the rerank step failed (`+reason+`): hits are in the order of the first stage"`)
}

// attrs is the part of the log line that only searches have.
func (s *summary) attrs() []slog.Attr {
	attrs := []slog.Attr{
		slog.String(keyIndex, clip(s.index)),
		slog.String(keyEndpoint, clip(s.endpoint)),
		slog.Int(keyWindow, s.window),
		slog.Int(keyPassages, s.passages),
		slog.Int(keyScored, s.scored),
		slog.Int64(keyHits, s.scoring.CacheHits.Load()),
		slog.Int64(keyMisses, s.scoring.CacheMisses.Load()),
	}
	durations := s.stages(0)
	for i, stage := range Stages()[:len(durations)-1] { // the total is there as ms
		attrs = append(attrs, stageAttr(stage, durations[i]))
	}
	if s.reason != "" {
		attrs = append(attrs, slog.String(keyReason, s.reason))
	}
	return attrs
}
