// Package conformance is the case list by which the program is held against
// Elasticsearch's own text_similarity_reranker: requests with the answers that the
// original gives, as JSON files that can be read and replayed by hand, and those
// recorded from the original where they stand beside the checkout.
//
// What the program answers otherwise is listed in [Differences], each with its
// reason, which docs/compatibility.md repeats.
package conformance
