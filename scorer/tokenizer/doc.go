// Package tokenizer turns text into the token ids of a cross-encoder's pair
// input, by the model's own tokenizer.json.
//
// Everything that differs between models is read from that file: vocabulary,
// normalisation, the special tokens and how they frame a pair. Two things are
// decided here and hold for every model. A pair that is too long is cut by the
// balanced rule of Elasticsearch ([Tokenizer.Pair]). And text is only ever
// text: a special token that stands literally in a query or a passage is
// tokenised like any other characters, so that a document cannot forge the end
// of its own segment. That second rule departs from the reference tokenizers
// on purpose.
//
// The package knows no tensor and no model runtime.
package tokenizer
