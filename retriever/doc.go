// Package retriever treats a search body and its answer as data. It finds a
// text_similarity_reranker in a request, checks it by Elasticsearch's rules,
// writes the search that the cluster is to run instead (the first stage), reads
// the first stage's answer, and writes the final answer from a ranking.
//
// Where retrievers above, below or beside the reranker are not the cluster's to
// execute, the search is a [Tree]: its leaves are searches on the cluster, and
// [Found.Evaluate] ranks what they find from the leaves up.
//
// The package is pure: it does no I/O, starts no goroutine and knows neither a
// model nor an HTTP connection. Every function is safe for concurrent use.
//
// Bodies are never decoded into a typed model and encoded again. They are
// located by byte spans and edited into a new buffer, so keys that this package
// doesn't know, the order of keys and the spelling of numbers survive, and the
// caller's bytes stay as they are. Where a part of the request is taken out,
// blanks take its place: the line and column that the cluster names in an error
// are those of the caller's own body.
//
// The rules come from the documented and recorded behaviour of Elasticsearch
// 8.16 to 9.x; docs/compatibility.md lists what differs.
package retriever
