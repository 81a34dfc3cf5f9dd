#!/usr/bin/env bash
# Runs the recipe on a small set from nothing to a model folder, in minutes on
# two cores: fine-tuning of the built-in model on the documentation of Python's
# own library, whose labels are made up here: each function's first line asks for
# the rest; then a tiny of it. Ends 0 only if the folders hold models whose scores
# are finite, the first finds what it was trained to find at least as well as
# before, and tiny finds most of it.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TMP=$(mktemp -d)
trap 'rm -rf "$TMP"' EXIT

mkdir "$TMP/pydoc"
python3 - "$TMP/pydoc" <<'END'
import importlib, inspect, json, pathlib, sys

folder = pathlib.Path(sys.argv[1])
corpus, queries, qrels = [], [], ["query-id\tcorpus-id\tscore"]
for name in ("argparse", "collections", "csv", "datetime", "difflib", "glob", "heapq", "json", "logging", "os", "random", "re", "shutil", "statistics", "string", "subprocess", "tempfile", "textwrap", "threading", "zipfile"):
    for member, value in sorted(vars(importlib.import_module(name)).items()):
        text = inspect.getdoc(value) if callable(value) and not member.startswith("_") else None
        head, _, rest = (text or "").partition("\n\n")
        if len(head.split()) < 4 or len(rest.split()) < 8 or len(corpus) == 150:
            continue
        key = f"{name}.{member}"
        corpus.append({"_id": key, "title": member, "text": " ".join(rest.split())[:1200]})
        queries.append({"_id": key, "text": " ".join(head.split())[:200]})
        qrels.append(f"{key}\t{key}\t1")
for file, rows in (("corpus.jsonl", corpus), ("queries.jsonl", queries)):
    (folder / file).write_text("".join(json.dumps(r) + "\n" for r in rows))
(folder / "qrels.tsv").write_text("\n".join(qrels) + "\n")
assert len(corpus) >= 60, f"{len(corpus)} documents"
END

"$HERE/train.sh" --data "$TMP/pydoc" --from "$HERE/../scorer/builtin/model" --work "$TMP/work" --out "$TMP/mine" --groups 48 --steps 30 --minutes 10 --warmup 5 --average-every 1 2>&1 | tee "$TMP/log"
grep -q '^dev: mini' "$TMP/log"
"$HERE/train.sh" tiny --work "$TMP/work" --groups 48 --minutes 1 --warmup 5 --rate 8e-4 --batch 4 2>&1 | tee "$TMP/log"
grep -q '^dev: tiny' "$TMP/log"
grep -q '^tiny: KL to mini' "$TMP/log"
"$HERE/train.sh" export --name tiny --work "$TMP/work" --out "$TMP/tiny-int8"

"${RERANKD_TRAINING_PYTHON:-$("$HERE/../internal/native/native.sh" path cache)/training/venv/bin/python}" - "$TMP" "$HERE/../scorer/builtin/model" <<'END'
import hashlib, json, math, pathlib, random, sys

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

top, before = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
after, tiny = top / "mine-int8", top / "tiny-int8"
for folder in (after, tiny):
    for name, sum_ in json.loads((folder / "rerankd.json").read_text())["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == sum_, name
corpus = [json.loads(line) for line in (top / "pydoc/corpus.jsonl").read_text().splitlines()]
queries = [json.loads(line) for line in (top / "pydoc/queries.jsonl").read_text().splitlines()]
tokenizer = Tokenizer.from_file(str(after / "tokenizer.json"))
tokenizer.no_padding()
tokenizer.enable_truncation(512)


def reciprocal_ranks(folder):
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    draw, total = random.Random(1), 0.0
    for query in draw.sample(queries, 20):
        others = draw.sample([d for d in corpus if d["_id"] != query["_id"]], 9)
        mine = next(d for d in corpus if d["_id"] == query["_id"])
        scores = []
        for document in [mine, *others]:
            e = tokenizer.encode(query["text"], document["text"])
            feed = {"input_ids": e.ids, "attention_mask": e.attention_mask, "token_type_ids": e.type_ids}
            scores.append(float(session.run(None, {k: np.array([v]) for k, v in feed.items()})[0][0, 0]))
        assert all(map(math.isfinite, scores))
        total += 1 / (1 + sum(s > scores[0] for s in scores[1:]))
    return total / 20


old, new = reciprocal_ranks(before), reciprocal_ranks(after)
print(f"test: mean reciprocal rank of the right document among ten: {old:.3f} before, {new:.3f} after")
assert new >= old - 0.02, "training made it worse"
small = reciprocal_ranks(tiny)
print(f"test: {small:.3f} by a tiny of a minute's training")
assert small > 0.6, "tiny finds little more than chance does (0.29)"
END
echo 'test: 2 passed, 0 failed'
