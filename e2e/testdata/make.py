"""Makes models that load, warm up and score, and go wrong as soon as the word "q" stands in a pair: breaks/model.onnx
ends its run with an error of ONNX Runtime, by an index outside of a table, and endless/model.onnx computes until it is
stopped.

    python -m venv venv && venv/bin/pip install -r requirements.txt && venv/bin/python make.py

The tokenizer that belongs to them is that of scorer/onnx/testdata/reference, where "q" is the token Q.
"""

import pathlib

import numpy as np
import onnx
from onnx import TensorProto, checker, helper, numpy_helper

HERE = pathlib.Path(__file__).parent
Q = 56


def const(name, value, dtype=np.int64):
    return numpy_helper.from_array(np.array(value, dtype=dtype), name)


def tensor(name, kind=TensorProto.FLOAT, dims=("batch", 1)):
    return helper.make_tensor_value_info(name, kind, list(dims))


def summed():
    """sum [batch, 1]: of the ids where the mask is 1. met: 1 if "q" stands in a pair, else 0."""
    return [
        helper.make_node("Mul", ["input_ids", "attention_mask"], ["seen"]),
        helper.make_node("Cast", ["seen"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["real", "axis"], ["sum"], keepdims=1),
        helper.make_node("Equal", ["input_ids", "q"], ["same"]),
        helper.make_node("Cast", ["same"], ["marks"], to=TensorProto.INT64),
        helper.make_node("ReduceMax", ["marks"], ["met"], keepdims=0),
    ], [const("axis", [1]), const("q", Q)]


def breaks():
    nodes, constants = summed()
    nodes += [
        helper.make_node("Gather", ["table", "met"], ["zero"]),
        helper.make_node("Add", ["sum", "zero"], ["logits"]),
    ]
    save("breaks", nodes, [*constants, const("table", [0], np.float32)])


def endless():
    nodes, constants = summed()
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["again"], ["go"]),
            helper.make_node("Add", ["carried", "zero"], ["next"]),
        ], "body",
        [tensor("i", TensorProto.INT64, ()), tensor("again", TensorProto.BOOL, ()), tensor("carried")],
        [tensor("go", TensorProto.BOOL, ()), tensor("next")])
    nodes += [
        helper.make_node("Mul", ["met", "forever"], ["more"]),
        helper.make_node("Add", ["more", "once"], ["trips"]),
        helper.make_node("Loop", ["trips", "yes", "sum"], ["logits"], body=body),
    ]
    save("endless", nodes, constants + [
        const("forever", 2**62), const("once", 1), const("yes", True, np.bool_), const("zero", 0, np.float32)])


def save(name, nodes, constants):
    inputs = [tensor(i, TensorProto.INT64, ("batch", "tokens")) for i in ("input_ids", "attention_mask")]
    graph = helper.make_graph(nodes, name, inputs, [tensor("logits")], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="rerankd")
    checker.check_model(model, full_check=True)
    onnx.save(model, str(HERE / name / "model.onnx"))


if __name__ == "__main__":
    breaks()
    endless()
