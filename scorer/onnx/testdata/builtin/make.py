"""Makes what ONNX Runtime for Python says of the built-in int8 models, batch by batch.

A dynamically quantised model takes the scale of its activations from the whole batch, so the vectors hold whole
padded batches: the pairs, their ids and the logits of mini; tiny.json has the logits of tiny for the same batches. Needs the release of ONNX Runtime that the program is tested with.

    python -m venv venv && venv/bin/pip install -r requirements.txt && venv/bin/python make.py
"""

import json
import pathlib

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

HERE = pathlib.Path(__file__).parent
MINI, TINY = (HERE.parents[2] / "builtin" / name for name in ("model", "tiny"))
PAIRS = HERE.parents[2] / "tokenizer" / "testdata" / "pairs.json"
BATCH = 8
MOST = 96  # tokens; keeps the vectors small


def encode(t, query, passage):
    a, b = t.encode(query, add_special_tokens=False), t.encode(passage, add_special_tokens=False)
    return t.post_process(a, b)


def padded(encodings):
    longest = max(len(e.ids) for e in encodings)
    rows = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
    return {name: np.array([getattr(e, field) + [0] * (longest - len(e.ids)) for e in encodings], dtype=np.int64) for name, field in rows.items()}


def main():
    t = Tokenizer.from_file(str(MINI / "tokenizer.json"))
    t.no_padding()
    t.no_truncation()
    t.encode_special_tokens = True
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    mini, tiny = (onnxruntime.InferenceSession(str(m / "model.onnx"), options, providers=["CPUExecutionProvider"]) for m in (MINI, TINY))

    pairs = []
    for p in json.loads(PAIRS.read_text()):
        query, passage = p["query"] * p["query_repeat"], p["passage"] * p["passage_repeat"]
        if len(query) + len(passage) < 2000 and len(encode(t, query, passage).ids) <= MOST:
            pairs.append((query, passage))
    batches, others = [], []
    for start in range(0, len(pairs), BATCH):
        part = pairs[start:start + BATCH]
        encodings = [encode(t, *pair) for pair in part]
        logits = mini.run(None, padded(encodings))[0][:, 0]
        others.append([round(float(x), 6) for x in tiny.run(None, padded(encodings))[0][:, 0]])
        batches.append([
            {"query": q, "passage": p, "ids": e.ids, "logit": round(float(x), 6)}
            for (q, p), e, x in zip(part, encodings, logits, strict=True)])
    text = json.dumps(batches, ensure_ascii=False, separators=(",", ":")).replace("},{", "},\n{").replace("],[", "],\n[")
    (HERE / "vectors.json").write_text(text + "\n")
    (HERE / "tiny.json").write_text(json.dumps(others, separators=(",", ":")).replace("],[", "],\n[") + "\n")
    print(len(pairs), "pairs in", len(batches), "batches, ONNX Runtime", onnxruntime.__version__)


if __name__ == "__main__":
    main()
