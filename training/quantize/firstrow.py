"""Has a graph compute for the first token alone what only the first token's score needs.

A cross-encoder reads the last layer at its first token, [CLS]. Its exporters compute that layer for all tokens and then throw all
but one away: a Gather or Slice at position 0. That choice is moved up here, step by step, before the operator that made the value,
wherever the operator makes each row out of the same rows of its inputs, and nobody else wants the other rows. So it goes up through
the last layer's feed-forward, norms, output projection and attention to its queries, and stops at what keys and values need whole.

Nothing is known here of names or architectures: which dimension is the tokens' is found by running the graph at two shapes.
"""

import dataclasses

import numpy as np
import onnx
import onnxruntime
from onnx import helper, inliner, numpy_helper

# Two shapes of input [batch, tokens]; a dimension is told by what it was in both. Primes, that no width is a mix of.
SHAPES = ((3, 17), (5, 23))
BATCH, TOKENS = zip(*SHAPES)
POSITION = "first_row.index"

ELEMENTWISE = set(
    "Abs Add And BiasGelu Cast CastLike Clip Div Dropout Elu Equal Erf Exp FastGelu Gelu Greater GreaterOrEqual Identity IsInf IsNaN LeakyRelu Less LessOrEqual "
    "Log Max Mean Min Mul Neg Not Or Pow QuickGelu Reciprocal Relu Sigmoid Sign Softplus Sqrt Sub Sum Tanh Where Xor".split()
)
ROW_NORMS = {"LayerNormalization", "SimplifiedLayerNormalization", "RMSNormalization"}
SKIP_NORMS = {"SkipLayerNormalization", "SkipSimplifiedLayerNormalization"}
REDUCTIONS = {"ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2", "ReduceSumSquare"}
PRODUCTS = {"MatMul", "MatMulNBits", "MultiHeadAttention", "Attention"}


class Refused(Exception):
    """The graph is none that this can be done to; says what was found."""


@dataclasses.dataclass
class Outcome:
    moved: list  # operators that the choice went past, last first
    stops: list  # where it stopped: (what makes the value, why)


def attribute(node, name, default=None):
    for a in node.attribute:
        if a.name == name:
            return helper.get_attribute_value(a)
    return default


class Graph:
    """A model's nodes, who makes and who uses each value, and its shape in both runs: (one number by run) for each dimension."""

    def __init__(self, model):
        self.model = inliner.inline_local_functions(model) if model.functions else model
        self.graph = self.model.graph
        self.constants = {i.name: i for i in self.graph.initializer}
        nodes = []
        for node in self.graph.node:
            if node.op_type == "Constant" and (tensor := attribute(node, "value")) is not None:
                tensor = onnx.TensorProto.FromString(tensor.SerializeToString())
                tensor.name = node.output[0]
                self.constants[tensor.name] = tensor
            else:
                nodes.append(node)
        self.nodes = {id(n): n for n in nodes}
        self.outputs = {o.name for o in self.graph.output}
        self.opset = next(o.version for o in self.model.opset_import if o.domain in ("", "ai.onnx"))
        self.made = 0
        self.index()
        self.write()
        self.shapes = observe(self.model)

    def index(self):
        self.makers, self.users = {}, {}
        for node in self.nodes.values():
            self.makers.update({o: node for o in node.output if o})
            for name in {*node.input, *inside(node)}:
                self.users.setdefault(name, []).append(node)

    def write(self):
        """Puts nodes and constants into the model: without those that nothing needs any more, each node after its inputs."""
        needed, order, todo = set(), [], [(o, False) for o in self.outputs]
        while todo:
            name, done = todo.pop()
            node = self.makers.get(name)
            if node is None or (not done and id(node) in needed):
                continue
            if done:
                order.append(node)
                continue
            needed.add(id(node))
            todo.append((name, True))
            todo.extend((i, False) for i in {*node.input, *inside(node)})
        self.nodes = {id(n): n for n in order}
        self.index()
        del self.graph.node[:], self.graph.initializer[:], self.graph.value_info[:]
        self.graph.node.extend(order)
        self.graph.initializer.extend(c for name, c in self.constants.items() if name in self.users or name in self.outputs)

    def add(self, op, inputs, output=None, **attributes):
        self.made += 1
        node = helper.make_node(op, inputs, [output or f"first_row.{self.made}"], name=f"first_row.{op}.{self.made}", **attributes)
        self.nodes[id(node)] = node
        return node

    def constant(self, value, name=None):
        self.made += 1
        name = name or f"first_row.constant.{self.made}"
        self.constants[name] = numpy_helper.from_array(np.asarray(value), name)
        return name

    def value(self, name):
        """The array of a constant, or None."""
        return numpy_helper.to_array(self.constants[name]) if name in self.constants else None


def inside(node):
    """Names that the graphs in a node's attributes take from around it."""
    names = set()
    for a in node.attribute:
        for part in [a.g] if a.type == onnx.AttributeProto.GRAPH else a.graphs:
            for n in part.node:
                names |= {*n.input, *inside(n)}
            names |= {o.name for o in part.output}
    return names


def feeds(model, batch, tokens, rng):
    """Random inputs, of rows that end in padding at different places; the first has none."""
    names = [i.name for i in model.graph.input]
    known = {"input_ids", "attention_mask", "token_type_ids"}
    if not {"input_ids", "attention_mask"} <= set(names) <= known:
        raise Refused(f"it has the inputs {', '.join(names)}: want input_ids, attention_mask and, where the model has them, token_type_ids")
    lengths = np.r_[tokens, rng.integers(max(1, tokens // 4), tokens + 1, batch - 1)]
    mask = (np.arange(tokens) < lengths[:, None]).astype(np.int64)
    high = {name: rows(model, name) for name in names}
    feed = {"input_ids": rng.integers(0, high["input_ids"], (batch, tokens)), "attention_mask": mask}
    feed["token_type_ids"] = (np.arange(tokens) >= tokens // 3).astype(np.int64) * mask * (high.get("token_type_ids", 0) > 1)
    return {name: feed[name].astype(np.int64) for name in names}


def rows(model, name):
    """How many rows the table has that the input looks up: the size of the vocabulary."""
    sizes = {i.name: i.dims[0] for i in model.graph.initializer if len(i.dims) == 2}
    for node in model.graph.node:
        if node.op_type == "Gather" and name in node.input and node.input[0] in sizes:
            return sizes[node.input[0]]
    return 2


def session(model, level=onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL, threads=0):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level, options.intra_op_num_threads, options.log_severity_level = level, threads, 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def observe(model):
    """The shape of each value, by two runs."""
    bare = onnx.ModelProto.FromString(model.SerializeToString())
    names = [o for n in bare.graph.node for o in n.output if o]
    del bare.graph.output[:]
    bare.graph.output.extend(onnx.ValueInfoProto(name=n) for n in names)
    rng = np.random.default_rng(0)
    probe = session(bare, onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL)
    runs = []
    for batch, tokens in SHAPES:
        feed = feeds(model, batch, tokens, rng)
        runs.append({n: np.shape(v) for n, v in {**feed, **dict(zip(names, probe.run(names, feed)))}.items()})
    shapes = {n: tuple(zip(first, second)) for n, first, second in ((n, runs[0][n], runs[1][n]) for n in runs[0]) if len(first) == len(second)}
    shapes.update({i.name: tuple((d, d) for d in i.dims) for i in model.graph.initializer})
    return shapes


def free_shapes(g):
    """Has those who ask for the shape of a value ask for the inputs' instead, so that they don't want the value itself."""
    whole = None
    for node in [n for n in g.nodes.values() if n.op_type == "Shape" and n.input[0] != "input_ids"]:
        dims = g.shapes.get(node.input[0])
        if dims is None or any(d not in (BATCH, TOKENS) and d[0] != d[1] for d in dims):
            continue
        dims = dims[attribute(node, "start", 0):attribute(node, "end", len(dims))]
        whole = whole or g.add("Shape", ["input_ids"]).output[0]
        widths = sorted({d[0] for d in dims if d[0] == d[1]})
        places = [0 if d == BATCH else 1 if d == TOKENS else 2 + widths.index(d[0]) for d in dims]
        table = g.add("Concat", [whole, g.constant(np.array(widths, np.int64))], axis=0).output[0] if widths else whole
        del g.nodes[id(node)]
        g.add("Gather", [table, g.constant(np.array(places, np.int64))], node.output[0], axis=0)
    g.index()


def choices(g):
    """Turns each choice of the first token into a Gather that keeps the dimension, and returns how many there are."""
    g.constant(np.array([0], np.int64), POSITION)
    found = 0
    for node in list(g.nodes.values()):
        axis = chosen(g, node)
        if axis is None:
            continue
        found += 1
        del g.nodes[id(node)]
        if node.op_type == "Gather" and np.ndim(g.value(node.input[1])) == 0:
            row = g.add("Gather", [node.input[0], POSITION], axis=axis).output[0]
            g.shapes[row] = at(g.shapes[node.input[0]], axis)
            axes = g.constant(np.array([axis], np.int64))
            g.add("Squeeze", [row, axes], node.output[0]) if g.opset >= 13 else g.add("Squeeze", [row], node.output[0], axes=[axis])
        else:
            g.add("Gather", [node.input[0], POSITION], node.output[0], axis=axis)
    g.index()
    return found


def at(shape, axis):
    return (*shape[:axis], (1, 1), *shape[axis + 1:])


def chosen(g, node):
    """The axis of tokens of which a node takes the first alone, or None."""
    dims = g.shapes.get(node.input[0]) if node.input else None
    if dims is None or node.op_type not in ("Gather", "Slice"):
        return None
    if node.op_type == "Gather":
        axis, index = attribute(node, "axis", 0) % max(len(dims), 1), g.value(node.input[1])
        first = index is not None and index.size == 1 and index.ndim <= 1 and index.item() == 0
    else:
        starts, ends, axes, steps = (g.value(node.input[i]) if len(node.input) > i else d for i, d in ((1, None), (2, None), (3, np.array([0])), (4, np.array([1]))))
        if any(v is None or v.size != 1 for v in (starts, ends, axes, steps)):
            return None
        axis, first = axes.item() % len(dims), starts.item() == 0 and ends.item() == 1 and steps.item() == 1
    return axis if first and dims[axis] == TOKENS else None


def sources(g, node, axis):
    """For each input of a node its axis whose first row makes the first row of the node's along axis; None: needed whole. A string says why there is none."""
    op, dims = node.op_type, g.shapes.get(node.output[0])
    if dims is None or any(i and i not in g.shapes for i in node.input):
        return "its shape is not known"
    ranks, rank = [len(g.shapes[i]) if i else 0 for i in node.input], len(dims)
    aligned = [axis - (rank - r) if axis >= rank - r else None for r in ranks]  # where shapes are broadcast
    rest = [None] * (len(ranks) - 1)
    if op in ELEMENTWISE:
        return aligned
    if op in ROW_NORMS and axis < attribute(node, "axis", -1) % rank and max(ranks[1:]) <= rank - attribute(node, "axis", -1) % rank:
        return [axis, *rest]
    if op in SKIP_NORMS and axis < rank - 1:
        return [*aligned[:2], *rest[1:]]
    if op == "MatMul" and min(ranks) >= 2 and axis < rank - 1:
        return [aligned[0], aligned[1] if axis < rank - 2 else None]
    if op == "MatMulNBits" and axis < rank - 1:
        return [axis, *rest]
    if op in ("Softmax", "LogSoftmax"):
        over = attribute(node, "axis", -1 if g.opset >= 13 else 1) % rank
        return [axis] if axis < over and (g.opset >= 13 or over == rank - 1) else f"it runs over axis {over}"
    if op in REDUCTIONS:
        axes = g.value(node.input[1]) if len(node.input) > 1 else attribute(node, "axes")
        fits = axes is not None and attribute(node, "keepdims", 1) and axis not in [a % rank for a in axes]
        return [axis, *rest] if fits else "it runs over tokens"
    if op == "Transpose":
        return [attribute(node, "perm", list(range(rank))[::-1])[axis]]
    if op in ("Concat", "Split"):
        return [axis] + [axis if op == "Concat" else None for _ in rest] if axis != attribute(node, "axis", 0) % rank else "it is along tokens"
    if op == "Slice":
        axes = g.value(node.input[3]) if len(node.input) > 3 else None
        return [axis, *rest] if axes is not None and axis not in [a % rank for a in axes] else "it is along tokens"
    if op in ("Squeeze", "Unsqueeze"):
        axes = g.value(node.input[1]) if len(node.input) > 1 else attribute(node, "axes")
        return [moved(op, axis, axes, rank, ranks[0]), *rest] if axes is not None else "its axes are computed"
    if op == "MultiHeadAttention" and axis == 1 and ranks[0] == 3 and max([0, *ranks[4:5]]) <= 2 and not any(node.input[6:]):
        return [{0: 1, 5: 2}.get(i) if name else None for i, name in enumerate(node.input)]  # the query, and what is added to its products
    return "it is not known to keep rows apart"


def moved(op, axis, axes, rank, inner):
    """The axis of a Squeeze's or Unsqueeze's input that is axis of its output."""
    gone = {a % (inner if op == "Squeeze" else rank) for a in np.ravel(axes)}
    if op == "Unsqueeze":
        return axis - sum(a < axis for a in gone)
    return [i for i in range(inner) if i not in gone][axis]


def reshaped(g, node, axis):
    """The axis of a Reshape's input and the shape of its output with one token, or why there is none."""
    before, after = g.shapes[node.input[0]], g.shapes[node.output[0]]
    for i, d in enumerate(before):
        if d == TOKENS and all(np.prod([x[run] for x in before[:i]]) == np.prod([x[run] for x in after[:axis]]) for run in (0, 1)):
            shape = [1 if n == axis else x[0] if x[0] == x[1] else -1 for n, x in enumerate(after)]
            return (i, shape) if shape.count(-1) <= 1 else "two of its dimensions are open"
    return "it mixes tokens with another dimension"


def step(g, name, axis, selects):
    """Moves the choice of the first row of a value before the node that makes it. Returns the node's operator, or why it can't, and whether it did."""
    node = g.makers.get(name)
    if node is None:
        return "an input" if name not in g.constants else "a constant", "nothing makes it", False
    wanted = [o for o in node.output if o in g.users]
    for out in wanted:
        others = [n.op_type for n in g.users[out] if (out, axis) != selects.get(id(n))]
        if others or out in g.outputs:
            return node.op_type, "all of it is wanted by " + (", ".join(sorted(set(others))) or "the answer"), False
    more = {}
    if node.op_type == "Reshape":
        found = reshaped(g, node, axis)
        if isinstance(found, str):
            return node.op_type, found, False
        axes = [found[0], None]
        more[1] = g.constant(np.array(found[1], np.int64))
    else:
        axes = sources(g, node, axis)
        if isinstance(axes, str):
            return node.op_type, axes, False
    inputs = list(node.input)
    for i, a in enumerate(axes):
        if a is not None and g.shapes[inputs[i]][a] == TOKENS:
            row = g.add("Gather", [inputs[i], POSITION], axis=a)
            selects[id(row)] = (inputs[i], a)
            g.shapes[row.output[0]] = at(g.shapes[inputs[i]], a)
            more[i] = row.output[0]
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    copy.name = f"{node.name or node.op_type}.first_row"
    for i, new in more.items():
        copy.input[i] = new
    if node.op_type == "Reshape":
        del copy.attribute[:]
    del g.nodes[id(node)]
    for n, out in enumerate(node.output):
        if out in g.users:
            copy.output[n] = merge(g, g.users[out], selects)
            g.shapes[copy.output[n]] = at(g.shapes[out], axis)
    g.nodes[id(copy)] = copy
    g.index()
    return node.op_type, "", True


def merge(g, same, selects):
    """Takes out the nodes that choose the same row, and returns the one name under which it is then wanted."""
    kept = same[0].output[0]
    for node in same:
        del g.nodes[id(node)], selects[id(node)]
        for user in g.users.get(node.output[0], []):
            for i, name in enumerate(user.input):
                if name == node.output[0]:
                    user.input[i] = kept
    return kept


def move(model):
    """Returns the model with its choices of the first token as far up as they go, and what became of them. The model given is changed."""
    g = Graph(model)
    if any(n.op_type.startswith("DynamicQuantize") for n in g.nodes.values()):
        raise Refused("its activations are quantised as they come, by a scale of all rows: rewrite the fp32 graph, and quantise that")
    if not choices(g):
        raise Refused("nothing in it takes the first token alone: its score may be read from all tokens (mean pooling) or from another one")
    free_shapes(g)
    selects = {id(n): (n.input[0], attribute(n, "axis")) for n in g.nodes.values() if n.op_type == "Gather" and n.input[1] == POSITION}
    past, stops = [], {}
    while True:
        for name, axis in dict.fromkeys(selects.values()):
            op, why, done = step(g, name, axis, selects)
            if done:
                past.append(op)
                break
            stops[name, axis] = (op, why)
        else:
            break
    left = [stops[s] for s in dict.fromkeys(selects.values())]
    if not PRODUCTS & set(past):
        raise Refused("the first token is taken, but no matrix product could be left out: " + "; ".join(f"{op}: {why}" for op, why in left))
    g.write()
    return g.model, Outcome(past, left)
