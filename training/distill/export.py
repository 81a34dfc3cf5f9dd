"""Stage 4: the student as an ONNX file that is already what an optimiser would make of it.

The graph is written node by node: attention and quantised products are single operators of ONNX Runtime, and the last layer is computed for the first token
alone, since nothing else reaches the score. Word embeddings stay in the teacher's 8 bits (they are not trained), so nothing is lost in them.

Forms of the weights: fp32; int8 (8-bit weights by output channel, activations quantised as they come: one scale for all that runs together; or by scales found before); nbits8 and nbits4
(8- or 4-bit weights in blocks, activations quantised by row and block, so that a pair's score does not depend on what runs beside it).
"""

import hashlib
import json

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from . import bert, smooth
from .skim_graph import SkimGraph

# Weights of the int8 form use seven bits: where a processor has no VNNI, the products of two neighbours are added in 16 bits, which eight would overflow.
MOST = 63
# Matrices of the int8 form that are nbits8 with blocks of 128 instead: what goes into them has outliers, so that one scale for all of it is too coarse. By student; found by
# leaving each out in turn (RESULTS.md).
FINER = {"mini": ("layer0.down", "layer2.down"), "tiny": ("layer0.down",)}
FIXED = ("tiny",)  # students whose activations have scales that are found once, in the int8 form
ORIGIN = {
    "mini": "distilled by training/ from ms-marco-MiniLM-L-12-v2 and bge-small-en-v1.5",
    "tiny": "distilled by training/ from rerankd-mini, from whose heads and units that matter most it starts",
}
OPSET = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]


class Graph:
    """Nodes and constants in the order in which they are added."""

    def __init__(self, form, block, finer=(), smoothing=None, scales=None):
        self.form, self.block, self.finer, self.smoothing, self.scales = form, block, finer, smoothing or {}, scales or {}
        self.nodes, self.constants = [], []

    def constant(self, name, value):
        self.constants.append(numpy_helper.from_array(np.array(value, order="C"), name))
        return name

    def add(self, op, inputs, name, domain="", outputs=1, **attributes):
        outs = [name] if outputs == 1 else [f"{name}.{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, outs, name=name, domain=domain, **attributes))
        return outs[0] if outputs == 1 else outs

    def ms(self, op, inputs, name, **attributes):
        return self.add(op, inputs, name, domain="com.microsoft", **attributes)

    def dense(self, x, weight, bias, name):
        """x · weightᵀ + bias; weight: [out, in]."""
        if self.form == "fp32":
            product = self.add("MatMul", [x, self.constant(name + ".weight", weight.T)], name + ".product")
            return self.add("Add", [product, self.constant(name + ".bias", bias)], name)
        if self.form == "int8" and name not in self.finer:
            if name in self.smoothing:
                factor = self.smoothing[name].astype(np.float32)
                x, weight = self.add("Mul", [x, self.constant(name + ".smoothing", 1 / factor)], name + ".smoothed"), weight * factor
            scale = np.maximum(np.abs(weight).max(1), 1e-12) / MOST
            integers = np.clip(np.rint(weight / scale[:, None]), -MOST, MOST).astype(np.int8)
            constants = [self.constant(name + ".weight", integers.T), self.constant(name + ".scale", scale.astype(np.float32)), self.constant(name + ".bias", bias)]
            if name in self.scales:
                return self.fixed(x, *constants, name)
            return self.ms("DynamicQuantizeMatMul", [x, *constants[:2], "", constants[2]], name)
        bits = 4 if self.form == "nbits4" else 8
        block = self.block if weight.shape[1] % self.block == 0 else 64  # tiny's inner units are a multiple of that
        packed, scales = blocks(weight, block, bits)
        constants = [self.constant(name + ".weight", packed), self.constant(name + ".scales", scales), "", "", self.constant(name + ".bias", bias)]
        sizes = {"K": weight.shape[1], "N": weight.shape[0], "bits": bits, "block_size": block}
        return self.ms("MatMulNBits", [x, *constants], name, accuracy_level=4, **sizes)

    def fixed(self, x, weight, weight_scale, bias, name):
        """An int8 product whose activations have the scale that is known of them; what lies outside its range gets its end."""
        least, most = (float(end) for end in self.scales[name])
        step = (most - least) / 255
        scale, zero = self.constant(name + ".given.scale", np.float32(step)), self.constant(name + ".given.zero", np.uint8(round(-least / step)))
        integers = self.add("QuantizeLinear", [x, scale, zero], name + ".given")
        return self.ms("MatMulIntegerToFloat", [integers, weight, scale, weight_scale, zero, "", bias], name)

    def norm(self, x, state, key, name):
        return self.add("LayerNormalization", [x, self.constant(name + ".gamma", state[key + ".weight"]), self.constant(name + ".beta", state[key + ".bias"])], name, axis=-1, epsilon=1e-12)

    def skip_norm(self, x, skip, state, key, name):
        """LayerNorm(x + skip). A Sum, not an Add: the runtime would join an Add to its SkipLayerNormalization, which takes five times as long."""
        return self.norm(self.add("Sum", [x, skip], name + ".sum"), state, key, name)


def blocks(weight, block, bits):
    """MatMulNBits' form of a [out, in] matrix: integers around 2^(bits−1), packed from the low bits up, and a scale for each block of inputs."""
    n, k = weight.shape
    if k % block:
        raise ValueError(f"{k} inputs are no multiple of the block of {block}")
    parts = weight.reshape(n, k // block, block)
    middle = 1 << (bits - 1)
    scale = np.maximum(np.abs(parts).max(2), 1e-12) / (middle - 1)
    integers = (np.clip(np.rint(parts / scale[:, :, None]), -middle + 1, middle - 1) + middle).astype(np.uint8)
    if bits == 4:
        integers = integers[:, :, 0::2] | (integers[:, :, 1::2] << 4)
    return integers, scale.astype(np.float32).reshape(-1)


def words(graph, state, quantised):
    """The word embeddings of the ids, from 8 bits: (integers, scale, zero point), or rounded here, one scale a word."""
    if quantised is not None:
        integers, scale, zero = quantised
        rows = graph.add("Gather", [graph.constant("words", integers), "input_ids"], "words.rows")
        scale = graph.constant("words.scale", np.asarray(scale, np.float32).reshape(()))
        return graph.add("DequantizeLinear", [rows, scale, graph.constant("words.zero", np.asarray(zero).reshape(()))], "words.out")
    weight = state["words.weight"]
    scale = np.maximum(np.abs(weight).max(1, keepdims=True), 1e-12) / 127.0
    rows = graph.add("Gather", [graph.constant("words", np.rint(weight / scale).astype(np.int8)), "input_ids"], "words.rows")
    scales = graph.add("Gather", [graph.constant("words.scale", scale.astype(np.float32)), "input_ids"], "words.scales")
    return graph.add("Mul", [graph.add("Cast", [rows], "words.floats", to=TensorProto.FLOAT), scales], "words.out")


def embeddings(graph, state, quantised):
    """The states before the first layer, and the mask of those that stand for a token."""
    if "skim.worth" in state:
        parts, mask = SkimGraph(graph, state).add(words(graph, state, quantised))
        return graph.norm(graph.add("Sum", parts, "read"), state, "norm", "embedded"), mask
    mask = graph.add("Cast", ["attention_mask"], "mask", to=TensorProto.INT32)
    length = graph.add("Gather", [graph.add("Shape", ["input_ids"], "shape"), graph.constant("one", np.int64(1))], "length")
    ends = graph.add("Unsqueeze", [length, graph.constant("axis0", np.array([0], np.int64))], "ends")
    starts = graph.constant("starts", np.array([0], np.int64))
    positions = graph.add("Slice", [graph.constant("positions", state["positions.weight"]), starts, ends, starts], "positions.out")
    types = graph.add("Gather", [graph.constant("types", state["types.weight"]), "token_type_ids"], "types.out")
    rows, places = words(graph, state, quantised), graph.add("Add", [types, positions], "places")
    return graph.skip_norm(rows, places, state, "norm", "embedded"), mask


def attention(graph, q, k, v, mask, heads, name):
    return graph.ms("MultiHeadAttention", [q, k, v, "", mask], name, num_heads=heads)


def layer(graph, x, mask, state, n, last):
    """One layer; where it is the last, for the first token alone: its query, and what follows the attention."""
    p, name = f"layers.{n}", f"layer{n}"
    weight, bias = state[p + ".qkv.weight"], state[p + ".qkv.bias"]
    seen = state[p + ".out.weight"].shape[1]
    if last:
        first = graph.add("Gather", [x, graph.constant("first", np.array([0], np.int64))], name + ".first", axis=1)
        q = graph.dense(first, weight[:seen], bias[:seen], name + ".q")
        kv = graph.dense(x, weight[seen:], bias[seen:], name + ".kv")
        k, v = graph.add("Split", [kv], name + ".split", outputs=2, axis=2)
        x = first
    else:
        qkv = graph.dense(x, weight, bias, name + ".qkv")
        q, k, v = graph.add("Split", [qkv], name + ".split", outputs=3, axis=2)
    context = attention(graph, q, k, v, mask, seen // bert.HEAD, name + ".attention")
    out = graph.dense(context, state[p + ".out.weight"], state[p + ".out.bias"], name + ".out")
    x = graph.skip_norm(out, x, state, p + ".norm1", name + ".norm1")
    up = graph.dense(x, state[p + ".up.weight"], state[p + ".up.bias"], name + ".up")
    down = graph.dense(graph.ms("Gelu", [up], name + ".gelu"), state[p + ".down.weight"], state[p + ".down.bias"], name + ".down")
    return graph.skip_norm(down, x, state, p + ".norm2", name + ".norm2")


def head(graph, x, state):
    """tanh pooling and one logit a pair; small, so it stays in float32."""
    graph.form, kept = "fp32", graph.form
    first = graph.add("Squeeze", [x, graph.constant("axis1", np.array([1], np.int64))], "pooled")
    pooled = graph.add("Tanh", [graph.dense(first, state["pooler.weight"], state["pooler.bias"], "pooler")], "pooler.tanh")
    graph.dense(pooled, state["classifier.weight"], state["classifier.bias"], "logits")
    graph.form = kept


def model(state, form, quantised=None, block=128, finer=(), smoothing=None, scales=None):
    """The ONNX model of a state (arrays by the names of bert.Encoder). quantised: the words' integers, scale and zero point where they stay a teacher's; block: of the nbits forms;
    finer: matrices of the int8 form that are nbits8; smoothing and scales: what smooth.calibration returned, for the int8 form."""
    graph = Graph(form, block, finer, smoothing, scales)
    layers = bert.depth(state)
    x, mask = embeddings(graph, state, quantised)
    for n in range(layers):
        x = layer(graph, x, mask, state, n, n == layers - 1)
    head(graph, x, state)
    inputs = [helper.make_tensor_value_info(n, TensorProto.INT64, ["batch", "length"]) for n in ("input_ids", "attention_mask", "token_type_ids")]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 1])]
    made = helper.make_model(helper.make_graph(graph.nodes, "cross-encoder", inputs, outputs, graph.constants), opset_imports=OPSET, ir_version=9, producer_name="rerankd")
    onnx.checker.check_model(made)
    return made


def state_of(file):
    """The state, by the names of bert.Encoder, of a file that this module wrote: exact from fp32, rounded as the file is from int8."""
    raw = {i.name: numpy_helper.to_array(i) for i in onnx.load(file).graph.initializer}

    def weight(name):
        value = raw[name + ".weight"]
        if value.dtype == np.uint8:
            floats = (value.astype(np.float32) - 128) * raw[name + ".scales"].reshape(value.shape[:2])[:, :, None]
            return floats.reshape(value.shape[0], -1)
        if value.dtype == np.float32:
            return value.T
        return value.T.astype(np.float32) * raw[name + ".scale"][:, None] * raw.get(name + ".smoothing", np.float32(1))

    if raw["words"].dtype == np.uint8:
        words = (raw["words"].astype(np.float32) - np.float32(raw["words.zero"])) * raw["words.scale"]
    else:
        words = raw["words"].astype(np.float32) * raw["words.scale"]
    state = {"words.weight": words, "positions.weight": raw["positions"], "types.weight": raw["types"]}
    if "skim.worth.table" in raw:
        raise SystemExit(f"{file}: tiny can't be gone on from: train mini on your data, and make a tiny of it")
    names = {"norm": "embedded", "pooler": "pooler", "classifier": "logits"}
    layers = 1 + max(int(name.split(".")[0].removeprefix("layer")) for name in raw if name.startswith("layer"))
    for n in range(layers):
        names.update({f"layers.{n}.{part}": f"layer{n}.{part}" for part in ("out", "up", "down", "norm1", "norm2")})
        parts = ("qkv",) if n < layers - 1 else ("q", "kv")
        state[f"layers.{n}.qkv.weight"] = np.concatenate([weight(f"layer{n}.{part}") for part in parts])
        state[f"layers.{n}.qkv.bias"] = np.concatenate([raw[f"layer{n}.{part}.bias"] for part in parts])
    for ours, name in names.items():
        if name + ".gamma" in raw:
            state[ours + ".weight"], state[ours + ".bias"] = raw[name + ".gamma"], raw[name + ".beta"]
        else:
            state[ours + ".weight"], state[ours + ".bias"] = weight(name), raw[name + ".bias"]
    return state


def calibration(args, state):
    """The factors and scales that the weights come with, or new ones by the training data."""
    kept = smooth.kept(args.start)
    if any(kept) or (args.form != "int8" and not args.keep):
        return kept
    if not (args.work / "prepared.npz").exists():
        raise SystemExit(f"export: {args.work} has no prepared.npz to find outliers with: run the stage prepare first")
    found = smooth.ranges(model(state, "fp32"), bert.depth(state), smooth.pairs(np.load(args.work / "prepared.npz")))
    return smooth.calibration(found, args.name in FIXED)


def check(made, state, vocabulary):
    """How far the file's logits are from the state's at most, on pairs of random tokens."""
    import onnxruntime
    import torch

    encoder = bert.of(state)
    rng = np.random.default_rng(1)
    ids = rng.integers(1000, vocabulary, (4, 48))
    ids[:, 0] = 101
    ids[:, 20:30] = ids[:, 5:10].repeat(2, 1)
    mask = np.ones_like(ids)
    mask[0, 30:] = 0
    types = np.zeros_like(ids)
    types[:, 12:] = 1
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    got = session.run(None, {"input_ids": ids, "attention_mask": mask, "token_type_ids": types})[0][:, 0]
    with torch.no_grad():
        want = encoder(torch.from_numpy(ids), torch.from_numpy(types), torch.from_numpy(mask).bool()).numpy()
    return float(np.abs(got - want).max())


def description(state):
    """config.json: the architecture, in the words of the transformers library."""
    layers = bert.depth(state)
    return {
        "model_type": "bert",
        "architectures": ["BertForSequenceClassification"],
        "num_hidden_layers": layers,
        "hidden_size": bert.WIDTH,
        "num_attention_heads": bert.WIDTH // bert.HEAD,
        "intermediate_size": int(state["layers.0.up.weight"].shape[0]),
        "vocab_size": int(state["words.weight"].shape[0]),
        "max_position_embeddings": int(state["positions.weight"].shape[0]),
        "type_vocab_size": int(state["types.weight"].shape[0]),
    }


def run(args):
    """Writes a model folder: the weights in the form asked for, the tokenizer's files, and a manifest with the checksums of all of them."""
    from . import teachers, train

    state = {k: v.numpy() for k, v in train.read_state(args.start or args.work / f"{args.name}.pt", args.work).items()}
    flat = np.load(args.work / "cross.npz")
    words = "embeddings.word_embeddings.weight"
    kept = np.array_equal(state["words.weight"], teachers.load(args.work / "cross.npz")[words])
    quantised = tuple(flat[f"{words}|{part}"] for part in "qsz") if kept else None
    smoothing, scales = calibration(args, state)
    made = model(state, args.form, quantised, finer=FINER[args.name], smoothing=smoothing, scales=scales)
    off = check(made, state, state["words.weight"].shape[0])
    most = {"fp32": 1e-3 if kept else 0.1, "int8": 1.0, "nbits8": 0.5, "nbits4": 3.0}[args.form]
    print(f"export: {args.form}: logits at most {off:.2g} from PyTorch's")
    if off > most:
        raise SystemExit(f"export: want at most {most}")
    out = args.out or args.work / f"{args.name}-{args.form}"
    out.mkdir(parents=True, exist_ok=True)
    onnx.save(made, out / "model.onnx")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (out / name).write_bytes((args.work / "ms-marco-MiniLM-L-12-v2-int8" / name).read_bytes())
    (out / "config.json").write_text(json.dumps(description(state), indent=2) + "\n")
    files = {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(out.iterdir()) if f.suffix in (".onnx", ".json") and f.name != "rerankd.json"}
    manifest = {
        "id": args.id or f"rerankd-{args.name}",
        "revision": f"{args.revision}-{args.form}",
        "licence": "Apache-2.0",
        "origin": ORIGIN[args.name],
        "max_tokens": 512,
        "precision": args.form,
        "files": files,
    }
    (out / "rerankd.json").write_text(json.dumps(manifest, indent=2) + "\n")
    if args.keep:
        smooth.keep(args.keep, state, smoothing, scales)
    print(f"export: {out}: {(out / 'model.onnx').stat().st_size / 1e6:.1f} MB")
