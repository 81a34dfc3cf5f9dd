// Package onnx scores query and passage pairs with an ONNX cross-encoder, in
// this process, by ONNX Runtime.
//
// [Init] loads the runtime's shared library, [OpenFolder] or [Open] reads a
// model folder, [Load] makes an [Engine] of it, and the engine is a
// [scorer.Scorer]. A call tokenises its texts, sorts the pairs by length and
// cuts them into batches of a bounded number of tokens, each padded to its own
// longest pair. The batches of all calls share one session and a fixed number
// of workers, one core each; the workers take one batch of each waiting call in
// turn, so that a large call delays a small one by a batch and not by itself.
//
// A score depends on the pair alone for models in fp32. A dynamically quantised
// model chooses the scale of its activations by the whole batch, so that its
// scores move a little with the company a pair is in.
//
// This is the only package that knows tensors and the runtime.
package onnx
