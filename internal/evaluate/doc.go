// Package evaluate measures how much rerankers gain over a first stage on a test
// collection, and reports it as text, JSON, CSV and a plot.
//
// A first stage finds documents for each query, each reranker reorders the best
// of them, and an oracle, which knows the judgements, shows what could be gained
// at most. Where the documents come from and what scores them is behind
// [FirstStage] and [Reranker]: package bm25 and a model here, or a running proxy
// (package live).
package evaluate
