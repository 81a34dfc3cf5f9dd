"""What the int8 products are given: outliers and the factors that take them out, and the ranges of what is left.

The int8 form has one scale for all activations of a product, which a channel of far greater range than the others makes coarse for all of them. Such a channel is divided by a factor
before it is quantised, and its weights are multiplied by it: the product stays what it is. (SmoothQuant, arXiv 2211.10438, with factors for the outliers alone.)
Where the scale is one that was found here, not one of what runs together, a pair's score doesn't depend on the pairs beside it.
"""

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import helper, numpy_helper

from .pairs import Texts

# Of a product's channels so many are smoothed at most: down to the range of the next.
OUTLIERS = 16
PAIRS = 160
SMOOTHING, RANGE = ".smoothing", ".range"


def inputs(layers):
    """{product: the tensor it is given}, by the names of the graph that export writes."""
    found, x = {}, "embedded"
    for n in range(layers):
        found |= {f"layer{n}.out": f"layer{n}.attention", f"layer{n}.up": f"layer{n}.norm1", f"layer{n}.down": f"layer{n}.gelu"}
        found |= {f"layer{n}.q": f"layer{n}.first", f"layer{n}.kv": x} if n == layers - 1 else {f"layer{n}.qkv": x}
        x = f"layer{n}.norm2"
    return found


def ranges(fp32, layers, feeds):
    """{product: the least and the greatest of each channel it is given, [2, channels]} over runs of the fp32 graph."""
    tensors = inputs(layers)
    names = sorted(set(tensors.values()))
    fp32.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    session = onnxruntime.InferenceSession(fp32.SerializeToString(), providers=["CPUExecutionProvider"])
    found = {}
    for feed in feeds:
        for name, x in zip(names, session.run(names, feed)):
            least, most = x.min((0, 1)), x.max((0, 1))
            if name in found:
                least, most = np.minimum(least, found[name][0]), np.maximum(most, found[name][1])
            found[name] = np.stack([least, most])
    return {product: found[name] for product, name in tensors.items()}


def pairs(prepared, count=PAIRS, seed=1):
    """Model inputs of queries of the training data, each with a candidate of BM25's."""
    texts = Texts(prepared, torch.device("cpu"), 256)
    rng = np.random.default_rng(seed)
    found = np.nonzero(prepared["lexical"][:, 0] >= 0)[0]
    rows = rng.choice(found, min(count, len(found)), replace=False)
    queries, passages = prepared["query"][rows].astype(np.int64), prepared["lexical"][rows, 0].astype(np.int64)
    for i, length in enumerate(texts.lengths(queries, passages)):
        ids, types, mask = texts.pairs(queries[i : i + 1], passages[i : i + 1], int(length))
        yield {"input_ids": ids.numpy(), "token_type_ids": types.numpy(), "attention_mask": mask.long().numpy()}


def calibration(found, static):
    """({product: the factor of each channel}, {product: the range of what is quantised}) of what ranges found. Factors are 1 for most channels, and for attention's output and the first token's
    query, where there are no outliers, there are none; ranges, with static alone, are after the division. In half and in single precision, as they are kept."""
    factors, scales = {}, {}
    for product, (least, most) in found.items():
        factor = np.ones(len(least), np.float16)
        if not product.endswith((".out", ".q")):
            magnitude = np.maximum(-least, most)
            factors[product] = factor = np.maximum(1, magnitude / np.sort(magnitude)[-1 - OUTLIERS]).astype(np.float16)
        if static:
            scales[product] = np.array([min(0, (least / factor).min()), max(0, (most / factor).max())], np.float32)
    return factors, scales


def keep(file, state, smoothing, scales):
    """Writes what `export --from` needs to make every form again: the parameters without the word embeddings, in half precision, and what calibration returned."""
    parameters = {name: value.astype(np.float16) for name, value in state.items() if name != "words.weight"}
    np.savez_compressed(file, **parameters, **{name + SMOOTHING: factor for name, factor in smoothing.items()}, **{name + RANGE: ends for name, ends in scales.items()})


def kept(file):
    """What calibration returned, in a file that keep wrote; of an int8 model folder the factors alone; nothing in others."""
    if file is None or file.suffix == ".pt":
        return {}, {}
    if file.is_dir():
        found = {i.name: 1 / numpy_helper.to_array(i) for i in onnx.load(file / "model.onnx").graph.initializer if i.name.endswith(SMOOTHING)}
    else:
        found = np.load(file)
    return tuple({name.removesuffix(end): found[name] for name in found if name.endswith(end)} for end in (SMOOTHING, RANGE))
