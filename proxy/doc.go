// Package proxy is the HTTP edge: the handler that stands between clients and
// Elasticsearch.
//
// A request that holds no text_similarity_reranker goes to the cluster and its
// answer goes back as they are: the same path, query, header values and body
// bytes, streamed, with the caller's own credentials. A search that holds one is
// read, its first stage is run on the cluster, the hits are scored in this
// process, and the cluster's answer is given back in the new order.
//
// Four parts share the work. [Upstream] knows the nodes, which of them answer,
// and makes single round trips. The pass-through relays. The interception
// decides, within a byte limit, what is ours. The search flow calls packages
// retriever and internal/rerank, which know nothing of HTTP. Every error becomes
// a status, an Elasticsearch error body and a metric label in one place,
// errors.go.
package proxy
