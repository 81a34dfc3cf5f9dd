package scorer

import (
	"context"
	"sync/atomic"
)

// Stats is the account of one request: what it asked of the cache, of requests
// beside it and of the model. The decorators and engines that a call passes
// through add to it. Its zero value is ready; it is safe for concurrent use.
type Stats struct {
	CacheHits   atomic.Int64 // passages whose score the cache had
	CacheMisses atomic.Int64 // passages whose score it had not
	Shared      atomic.Int64 // passages whose score was in flight for another call
	Duplicates  atomic.Int64 // passages that stood in the same call before
	Scored      atomic.Int64 // pairs run through the model

	Tokens       atomic.Int64 // tokens of those pairs
	PaddedTokens atomic.Int64 // tokens that the model ran, padding included

	Tokenize atomic.Int64 // nanoseconds spent tokenising before the model could begin
	Queue    atomic.Int64 // nanoseconds spent waiting for a place or a worker
	Infer    atomic.Int64 // nanoseconds spent in the model, from the first batch's start to the last one's end
}

// statsKey is the context key of a request's Stats.
type statsKey struct{}

// WithStats returns a context whose scoring is accounted to s.
func WithStats(ctx context.Context, s *Stats) context.Context {
	return context.WithValue(ctx, statsKey{}, s)
}

// StatsFrom returns the account of the context, or a throw-away one: never nil.
func StatsFrom(ctx context.Context) *Stats {
	if s, ok := ctx.Value(statsKey{}).(*Stats); ok && s != nil {
		return s
	}
	return new(Stats)
}
