"""Makes model.onnx, which loads, warms up and scores, and whose run ends with an error of ONNX Runtime as soon as the
word "q" stands in a pair: an index taken from the input then lies outside of a table.

    python -m venv venv && venv/bin/pip install -r requirements.txt && venv/bin/python make.py

The tokenizer that belongs to it is that of scorer/onnx/testdata/reference, where "q" is the token Q.
"""

import pathlib

import numpy as np
import onnx
from onnx import TensorProto, checker, helper, numpy_helper

HERE = pathlib.Path(__file__).parent
Q = 56


def const(name, value, dtype=np.int64):
    return numpy_helper.from_array(np.array(value, dtype=dtype), name)


def main():
    nodes = [
        helper.make_node("Mul", ["input_ids", "attention_mask"], ["seen"]),
        helper.make_node("Cast", ["seen"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["real", "axis"], ["sum"], keepdims=1),
        helper.make_node("Equal", ["input_ids", "q"], ["same"]),
        helper.make_node("Cast", ["same"], ["marks"], to=TensorProto.INT64),
        helper.make_node("ReduceMax", ["marks"], ["index"], keepdims=0),
        helper.make_node("Gather", ["table", "index"], ["zero"]),
        helper.make_node("Add", ["sum", "zero"], ["logits"]),
    ]
    constants = [const("axis", [1]), const("q", Q), const("table", [0], np.float32)]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
        for name in ("input_ids", "attention_mask")
    ]
    output = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 1])
    graph = helper.make_graph(nodes, "breaks", inputs, [output], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="rerankd")
    checker.check_model(model, full_check=True)
    onnx.save(model, str(HERE / "model.onnx"))


if __name__ == "__main__":
    main()
