// Package inference holds the inference endpoints of this program: what the ids
// stand for that searches and the inference API name.
//
// A [Registry] knows the endpoints of the configuration and those made through
// the API, keeps the latter in a file, and grows and shrinks the workers of those
// with adaptive allocations. The bodies of the API are read by [ParseRerank],
// [ParseCreation] and [ParseUpdate], by Elasticsearch's rules and with its errors,
// which are of type [retriever.RequestError].
//
// It knows no HTTP and no cluster: who may call what, and what belongs to the
// cluster, is decided by package proxy.
package inference
