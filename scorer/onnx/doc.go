// Package onnx scores query and passage pairs with an ONNX cross-encoder, in
// this process, by ONNX Runtime.
//
// [Init] loads the runtime's shared library, [OpenFolder] or [Open] reads a
// model folder, [Load] makes an [Engine] of it, and the engine is a
// [scorer.Scorer]. A call tokenises its texts; its pairs then wait in buckets by
// length, and a fixed number of workers, one core each on one shared session,
// forms batches out of the open pairs of all calls: of a bounded number of tokens,
// each padded to its own longest pair, never waiting for more to come. Calls take
// turns by rounds of tokens, those whose deadline is near first, so that no call
// starves another. A call that ends early leaves with the scores there are.
//
// A score depends on the pair alone. Where a model's arithmetic depends on the
// whole of a batch, as that of a dynamically quantised one does, [Load] finds it
// out by trying, and the engine runs each pair by itself.
//
// This is the only package that knows tensors and the runtime.
package onnx
