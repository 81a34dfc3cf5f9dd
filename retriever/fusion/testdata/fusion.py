#!/usr/bin/env python3
"""Reference of rrf and linear fusion, in double precision and written on its own.

python3 fusion.py > fusion.json writes the vectors that the tests compare with.
The random numbers are seeded: the output is the same on every run.
"""
import json
import math
import random
import struct


def single(x):
    """The nearest float32, since scores come as such."""
    return struct.unpack("f", struct.pack("f", x))[0]


def minmax(scores):
    numbers = [s for s in scores if s is not None]
    if not numbers:
        return scores
    low, high = min(numbers), max(numbers + [2.0**-149])
    if abs(high - low) < 1e-6:
        return [1.0 for _ in scores]
    return [None if s is None else (s - low) / (high - low) for s in scores]


def l2_norm(scores):
    norm = math.sqrt(sum(s * s for s in scores if s is not None))
    if norm < 1e-6:
        return scores
    return [None if s is None else s / norm for s in scores]


NORMALIZERS = {"none": lambda scores: scores, "minmax": minmax, "l2_norm": l2_norm}


def ranked(totals):
    return [[doc, score] for doc, score in sorted(totals.items(), key=lambda one: (-one[1], one[0]))]


def rrf(lists, weights, constant):
    totals = {}
    for weight, one in zip(weights, lists):
        for place, (doc, _) in enumerate(one, start=1):
            totals[doc] = totals.get(doc, 0.0) + weight / (constant + place)
    return ranked(totals)


def linear(lists, weights, normalizers):
    totals = {}
    for weight, name, one in zip(weights, normalizers, lists):
        scores = NORMALIZERS[name]([score for _, score in one])
        for (doc, _), score in zip(one, scores):
            totals[doc] = totals.get(doc, 0.0) + weight * (score or 0.0)
    return ranked(totals)


def some_list(rng, kind):
    docs = rng.sample(range(40), rng.randint(0, 20))
    if kind == "unscored":
        return [[doc, None] for doc in docs]
    if kind == "equal":
        score = single(rng.uniform(0, 5))
        return [[doc, score] for doc in sorted(docs)]
    if kind == "zero":
        return [[doc, 0.0] for doc in sorted(docs)]
    span = {"bm25": (0.1, 30), "cosine": (0.5, 1), "tiny": (0, 1e-7), "large": (1e3, 1e6)}[kind]
    scores = sorted((single(rng.uniform(*span)) for _ in docs), reverse=True)
    return [[doc, score] for doc, score in zip(docs, scores)]


def main():
    rng = random.Random(20)
    cases = []
    kinds = ["bm25", "cosine", "tiny", "large", "equal", "zero", "unscored"]
    for _ in range(80):
        lists = [some_list(rng, rng.choice(kinds)) for _ in range(rng.randint(1, 4))]
        weights = [single(rng.choice([0, 0.5, 1, 1, 2, rng.uniform(0, 10)])) for _ in lists]
        normalizers = [rng.choice(sorted(NORMALIZERS)) for _ in lists]
        constant = rng.choice([1, 10, 60, 1000])
        cases.append({
            "lists": lists, "weights": weights, "constant": constant, "normalizers": normalizers,
            "rrf": rrf(lists, weights, constant), "linear": linear(lists, weights, normalizers),
        })
    print("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]")


main()
