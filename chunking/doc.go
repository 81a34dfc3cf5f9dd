// Package chunking cuts a text into passages of a bounded number of words, as
// Elasticsearch's chunking settings describe it. Passages are byte ranges of the
// text itself, so that nothing is trimmed or rewritten.
//
// A word is a segment of Unicode's word rules (UAX #29) that holds a letter or a
// digit; blanks and punctuation belong to a passage and don't count. Sentences
// follow the same annex. The package knows no documents, no models and no I/O.
package chunking
