"""Outliers in what the int8 products are given, and the factors that take them out.

The int8 form has one scale for all activations of a product, which a channel of far greater range than the others makes coarse for all of them. Such a channel is divided by a factor
before it is quantised, and its weights are multiplied by it: the product stays what it is. (SmoothQuant, arXiv 2211.10438, with factors for the outliers alone.)
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
SUFFIX = ".smoothing"


def inputs(layers, told):
    """{product: the tensor it is given}, by the names of the graph that export writes; attention's output is left out, where there are no outliers. told: the second layer is given LexicalGraph's states."""
    found, x = {}, "embedded"
    for n in range(layers):
        found |= {f"layer{n}.{'kv' if n == layers - 1 else 'qkv'}": x, f"layer{n}.up": f"layer{n}.norm1", f"layer{n}.down": f"layer{n}.gelu"}
        x = "lexical.told" if told and n == 0 else f"layer{n}.norm2"
    return found


def ranges(fp32, layers, feeds):
    """{product: greatest magnitude of each channel it is given} over runs of the fp32 graph."""
    tensors = inputs(layers, any(node.name == "lexical.told" for node in fp32.graph.node))
    names = sorted(set(tensors.values()))
    fp32.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    session = onnxruntime.InferenceSession(fp32.SerializeToString(), providers=["CPUExecutionProvider"])
    most = {}
    for feed in feeds:
        for name, x in zip(names, session.run(names, feed)):
            most[name] = np.maximum(most.get(name, 0.0), np.abs(x).max((0, 1)))
    return {product: most[name] for product, name in tensors.items()}


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


def factors(most):
    """The factor of each channel, 1 for most; in half precision, as they are kept."""
    return np.maximum(1, most / np.sort(most)[-1 - OUTLIERS]).astype(np.float16)


def keep(file, state, smoothing):
    """Writes what `export --from` needs to make every form again: the parameters without the word embeddings, and the factors, in half precision."""
    parameters = {name: value.astype(np.float16) for name, value in state.items() if name != "words.weight"}
    np.savez_compressed(file, **parameters, **{name + SUFFIX: factor for name, factor in smoothing.items()})


def kept(file):
    """The factors in a file that keep wrote, or in an int8 model folder; none in others."""
    if file is None or file.suffix == ".pt":
        return {}
    if file.is_dir():
        found = {i.name: 1 / numpy_helper.to_array(i) for i in onnx.load(file / "model.onnx").graph.initializer if i.name.endswith(SUFFIX)}
    else:
        found = {name: value for name, value in np.load(file).items() if name.endswith(SUFFIX)}
    return {name.removesuffix(SUFFIX): value for name, value in found.items()}
