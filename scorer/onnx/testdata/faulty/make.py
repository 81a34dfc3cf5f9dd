"""Makes models that a scorer must refuse or survive, each a graph of a few nodes.

    python -m venv venv && venv/bin/pip install -r ../requirements.txt && venv/bin/python make.py

Refused when loaded: what refused() makes. Accepted: flat, whose output has one dimension; and two that behave
(the sum of the ids over 1,000) up to LONG tokens: not-finite answers NaN for longer rows, endless computes until it
is stopped.
"""

import pathlib

import numpy as np
import onnx
from onnx import TensorProto, checker, helper, numpy_helper

HERE = pathlib.Path(__file__).parent
LONG = 48
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def const(name, value, dtype=np.int64):
    return numpy_helper.from_array(np.array(value, dtype=dtype), name)


def pooled():
    """score [batch, 1]: the sum of the ids where the mask is 1, over 1,000."""
    return [
        helper.make_node("Mul", ["input_ids", "attention_mask"], ["seen"]),
        helper.make_node("Cast", ["seen"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["real", "axis"], ["sum"], keepdims=1),
        helper.make_node("Div", ["sum", "thousand"], ["score"]),
    ], [const("axis", [1]), const("thousand", 1000, np.float32)]


def length():
    """long: a boolean scalar, whether rows are longer than LONG."""
    return [
        helper.make_node("Shape", ["input_ids"], ["shape"], start=1, end=2),
        helper.make_node("Squeeze", ["shape"], ["tokens"]),
        helper.make_node("Greater", ["tokens", "limit"], ["long"]),
    ], [const("limit", LONG)]


def save(name, nodes, constants, outputs, inputs=INPUTS, kind=TensorProto.INT64):
    tensors = [helper.make_tensor_value_info(i, kind, ["batch", "tokens"]) for i in inputs]
    graph = helper.make_graph(nodes, name, tensors, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="rerankd")
    checker.check_model(model, full_check=True)
    onnx.save(model, str(HERE / f"{name}.onnx"))


def out(name="logits", kind=TensorProto.FLOAT, dims=("batch", 1)):
    return helper.make_tensor_value_info(name, kind, list(dims))


def rename(source, target="logits"):
    return helper.make_node("Identity", [source], [target])


def refused():
    nodes, constants = pooled()
    save("two-outputs", [*nodes, rename("score"), rename("score", "more")], constants, [out(), out("more")])
    save("unknown-input", [*nodes, rename("score")], constants, [out()], inputs=(*INPUTS, "position_ids"))
    save("int32", [*nodes, rename("score")], constants, [out()], kind=TensorProto.INT32)
    save("three-logits", [*nodes, helper.make_node("Concat", ["score"] * 3, ["logits"], axis=1)], constants, [out(dims=("batch", 3))])
    # The width depends on values, so that only a run shows that there are three.
    wide = [
        helper.make_node("ReduceMax", ["attention_mask"], ["one"], keepdims=0),
        helper.make_node("Add", ["one", "axis"], ["two"]),
        helper.make_node("Add", ["two", "axis"], ["three"]),
        helper.make_node("Concat", ["axis", "three"], ["width"], axis=0),
        helper.make_node("Expand", ["score", "width"], ["logits"]),
    ]
    save("three-logits-undeclared", nodes + wide, constants, [out(dims=("batch", "n"))])
    save("scalar", [*nodes, helper.make_node("ReduceSum", ["score"], ["logits"], keepdims=0)], constants, [out(dims=())])
    save("double", [*nodes, helper.make_node("Cast", ["score"], ["logits"], to=TensorProto.DOUBLE)], constants, [out(kind=TensorProto.DOUBLE)])
    nodes[0] = rename("input_ids", "seen")
    save("no-mask", [*nodes, rename("score")], constants, [out()], inputs=("input_ids",))


def accepted():
    nodes, constants = pooled()
    save("flat", [*nodes, helper.make_node("Squeeze", ["score", "axis"], ["logits"])], constants, [out(dims=("batch",))], inputs=INPUTS[:2])

    more, limits = length()
    nan = [helper.make_node("Where", ["long", "nan", "score"], ["logits"])]
    save("not-finite", nodes + more + nan, constants + limits + [const("nan", np.nan, np.float32)], [out()])

    body = helper.make_graph(
        [rename("again", "go"), helper.make_node("Add", ["carried", "zero"], ["next"])], "body",
        [out("i", TensorProto.INT64, ()), out("again", TensorProto.BOOL, ()), out("carried")],
        [out("go", TensorProto.BOOL, ()), out("next")])
    loop = [
        helper.make_node("Where", ["long", "forever", "once"], ["trips"]),
        helper.make_node("Loop", ["trips", "yes", "score"], ["logits"], body=body),
    ]
    extra = [const("forever", 2**62), const("once", 1), const("yes", True, np.bool_), const("zero", 0, np.float32)]
    save("endless", nodes + more + loop, constants + limits + extra, [out()])


if __name__ == "__main__":
    refused()
    accepted()
