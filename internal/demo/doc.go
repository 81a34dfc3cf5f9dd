// Package demo shows what reranking does, on a real Elasticsearch and real
// text: the documentation of the Go standard library, read from GOROOT, one
// document a symbol.
//
// It finds or starts a cluster, starts the proxy in front of it, indexes the
// corpus through the proxy, asks plain-English questions with and without a
// reranker and prints the two orders side by side. Everything it makes is
// removed when it ends.
package demo
