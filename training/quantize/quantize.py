"""Makes an int8 graph of a cross-encoder's fp32 one.

    python3 -m venv venv && venv/bin/pip install -r training/quantize/requirements.txt
    venv/bin/python training/quantize/quantize.py EXPORT
    rerankd model import EXPORT FOLDER --file onnx/model_int8.onnx

The matrices get 8-bit integers by output channel, of which 7 bits are used: where a processor has no
VNNI, the products of two neighbours are added in 16 bits, which 8 bits would overflow. Activations are
quantised as they come. Then both graphs score the same pairs, and the script fails, and leaves nothing,
if their orders have little to do with each other. What that costs in quality on real data tells
`rerankd eval`.
"""

import argparse
import logging
import pathlib
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import QuantType, quantize_dynamic
from tokenizers import Tokenizer

# Every query with every text: some answer one of them, most answer none.
QUERIES = ("what causes the tides", "how do I read a file line by line", "best way to store passwords", "why is the sky blue")
TEXTS = (
    "The Moon's gravity pulls the oceans, so the water rises twice a day on most coasts.",
    "The Moon has no atmosphere to speak of, and its sky is black also by day.",
    "A Scanner reads input and splits it into lines; call Scan until it returns false.",
    "Files are opened with Open and closed when nobody reads them any more.",
    "Keep only a slow salted hash, such as argon2id, and never the password itself.",
    "A password manager fills forms in and remembers one word for each site.",
    "Short wavelengths scatter more strongly in air, which colours the daylight sky.",
    "At dusk the light takes a longer way through the air, and the reds are left.",
    "Bake the bread for forty minutes, until it sounds hollow when it is knocked on.",
    "x",
    "",
    "The committee met on Tuesday and adjourned without a vote on the budget. " * 6,
)
LEAST_AGREEMENT = 0.8


def graph_of(export, wish):
    """The fp32 graph, by the rules of `rerankd model import`."""
    for name in [wish] if wish else ["model.onnx", "onnx/model.onnx"]:
        if (export / name).is_file():
            return export / name
    sys.exit(f"quantize: {export} has no {wish or 'model.onnx, also in onnx/'}: name the graph with --file")


def scores(graph, pairs):
    """One number a pair, each pair by itself: the first of the outputs, of two logits their difference."""
    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    wanted = {i.name for i in session.get_inputs()}
    found = []
    for pair in pairs:
        feed = {"input_ids": pair.ids, "attention_mask": [1] * len(pair.ids), "token_type_ids": pair.type_ids}
        out = session.run(None, {k: np.array([v], np.int64) for k, v in feed.items() if k in wanted})[0].ravel()
        found.append(float(out[1] - out[0]) if out.size == 2 else float(out[0]))
    return np.array(found)


def ranks(values):
    return np.argsort(np.argsort(values))


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("export", type=pathlib.Path, help="folder with tokenizer.json and the graph, in it or in onnx/")
    options.add_argument("--file", help="path of the fp32 graph in EXPORT")
    options.add_argument("--out", default="onnx/model_int8.onnx", help="path in EXPORT of the int8 graph (%(default)s)")
    asked = options.parse_args()
    graph, out = graph_of(asked.export, asked.file), asked.export / asked.out
    if out.exists():
        sys.exit(f"quantize: {out} is there already")
    tokenizer = Tokenizer.from_file(str(asked.export / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(128)
    pairs = [tokenizer.encode(q, t) for q in QUERIES for t in TEXTS]

    logging.getLogger().setLevel(logging.ERROR)  # a hint at a step that changes nothing here
    out.parent.mkdir(exist_ok=True)
    print(f"quantizing {graph} (some seconds; about as much memory as three times the file)", flush=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".quantize-") as work:
        new = pathlib.Path(work) / "model.onnx"
        # Shapes that an exporter wrote between the nodes may contradict those that are inferred anew.
        plain, stripped = onnx.load(graph), pathlib.Path(work) / "stripped.onnx"
        del plain.graph.value_info[:]
        onnx.save(plain, stripped)
        quantize_dynamic(
            stripped, new, op_types_to_quantize=["MatMul", "Gemm"], per_channel=True, reduce_range=True, weight_type=QuantType.QInt8,
            extra_options={"MatMulConstBOnly": True, "DefaultTensorType": onnx.TensorProto.FLOAT},
        )
        before, after = scores(graph, pairs), scores(new, pairs)
        agreement = np.corrcoef(ranks(before), ranks(after))[0, 1]
        difference = np.abs(before - after)
        print(f"{len(pairs)} pairs: scores from {before.min():.3f} to {before.max():.3f}, moved by {difference.mean():.3f} in the mean and {difference.max():.3f} at most; rank correlation {agreement:.4f}")
        if not agreement >= LEAST_AGREEMENT:
            sys.exit(f"quantize: the rank correlation is under {LEAST_AGREEMENT}: this model does not stand 8 bits, and nothing was written")
        new.rename(out)
    print(f"{out}: {out.stat().st_size / 2**20:.1f} MiB, of {graph.stat().st_size / 2**20:.1f}")


if __name__ == "__main__":
    main()
