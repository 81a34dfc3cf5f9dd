"""Makes a faster graph of a cross-encoder's exported one, with the same scores.

    python3 -m venv venv && venv/bin/pip install -r training/quantize/requirements.txt
    venv/bin/python training/quantize/rewrite.py EXPORT/model.onnx EXPORT/onnx/model_rewritten.onnx
    rerankd model import EXPORT FOLDER --file onnx/model_rewritten.onnx

Two things are changed. What the last layer computes for other tokens than the first and nobody reads is left out (firstrow.py). And
the sums before a LayerNormalization are written as Sum: ONNX Runtime would join an Add and the norm to its SkipLayerNormalization,
which takes longer than both.

Then both graphs score the same random pairs, of many lengths, in batches with padding. Nothing is written unless all scores are equal
but for rounding. An int8 graph is made of the rewritten one by quantize.py, not the other way round.
"""

import argparse
import collections
import pathlib
import sys
import time

import firstrow
import google.protobuf.message
import numpy as np
import onnx

MOST_DIFFERENCE = 1e-4
BATCHES, MOST_PAIRS = 80, 6  # of random pairs that both graphs score: 280 pairs or so
LENGTHS = (4, 112)  # of their tokens; the shortest model that we know takes 128
ROUNDS, SECONDS, TIMED = 5, 1, ((4, 96), (1, 96))  # at least so many timed runs, and so long; the pairs and tokens of a run


def sums(model):
    """Writes Adds whose result a LayerNormalization takes, whole or in its parts, as Sums, and returns how many."""
    users, count = collections.defaultdict(set), 0
    for node in model.graph.node:
        for name in node.input:
            users[name].add(node.op_type)
    for node in model.graph.node:
        if node.op_type == "Add" and ("LayerNormalization" in users[node.output[0]] or {"ReduceMean", "Sub"} <= users[node.output[0]]):
            node.op_type, count = "Sum", count + 1
    return count


def prove(before, after, model):
    """The greatest difference of a score, over how many pairs, and how far the scores are spread."""
    rng = np.random.default_rng(20)
    worst, scores = 0.0, []
    for _ in range(BATCHES):
        feed = firstrow.feeds(model, int(rng.integers(1, MOST_PAIRS + 1)), int(rng.integers(*LENGTHS)), rng)
        want, got = before.run(None, feed)[0], after.run(None, feed)[0]
        if want.shape != got.shape:
            return np.inf, 0, 0.0
        difference = np.abs(want.astype(np.float64) - got)
        worst = max(worst, float(difference.max())) if np.isfinite(difference).all() else np.inf
        scores.extend(want.reshape(len(want), -1)[:, -1])
    return worst, len(scores), float(np.std(scores))


def speeds(before, after, model):
    """How many times as fast the second graph is, by pairs and tokens: medians of rounds in turns."""
    ratios = []
    for batch, tokens in TIMED:
        feed = firstrow.feeds(model, batch, tokens, np.random.default_rng(1))
        times = {before: [], after: []}
        end = time.perf_counter() + SECONDS
        while len(times[after]) < ROUNDS or (time.perf_counter() < end and len(times[after]) < 1000):
            for session, list_ in times.items():
                start = time.perf_counter()
                session.run(None, feed)
                list_.append(time.perf_counter() - start)
        ratios.append((batch, tokens, np.median(times[before]) / np.median(times[after])))
    return ratios


def histogram(model):
    return collections.Counter(n.op_type for n in model.graph.node)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("graph", type=pathlib.Path, help="the exported graph, an ONNX file in fp32")
    options.add_argument("out", type=pathlib.Path, help="where the rewritten one goes; nothing may be there")
    asked = options.parse_args()
    if asked.out.exists():
        sys.exit(f"rewrite: {asked.out} is there already")
    try:
        exported, model = (onnx.load(asked.graph, "protobuf") for _ in range(2))
    except (OSError, google.protobuf.message.DecodeError) as why:
        sys.exit(f"rewrite: {asked.graph} is no ONNX file that can be read: {why}")
    try:
        model, outcome = firstrow.move(model)
    except firstrow.Refused as why:
        sys.exit(f"rewrite: {asked.graph} can't be rewritten: {why}")
    products = sum(op in firstrow.PRODUCTS for op in outcome.moved)
    print(f"for the first token alone: {len(outcome.moved)} operators, {products} matrix products among them")
    for operator, why in dict.fromkeys(outcome.stops):
        print(f"  up to a value of {operator}: {why}")
    print(f"written as Sum: {sums(model)} sums before norms")
    onnx.checker.check_model(model)
    before, after = histogram(exported), histogram(model)
    print("operators: " + ", ".join(f"{op} {before[op]}" + ("" if before[op] == after[op] else f" → {after[op]}") for op in sorted(before | after)))

    sessions = firstrow.session(exported, threads=1), firstrow.session(model, threads=1)
    worst, pairs, spread = prove(*sessions, exported)
    print(f"{pairs} random pairs: scores differ by {worst:.2g} at most (their standard deviation is {spread:.2g})")
    if not worst <= MOST_DIFFERENCE:
        sys.exit(f"rewrite: that is more than {MOST_DIFFERENCE:g}: nothing was written")
    print("speed on one core: " + ", ".join(f"{ratio:.2f} times on {batch} × {tokens} tokens" for batch, tokens, ratio in speeds(*sessions, exported)))
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    partial = asked.out.with_name(f".{asked.out.name}.partial")
    onnx.save(model, partial)
    partial.rename(asked.out)
    print(f"{asked.out}: {asked.out.stat().st_size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
