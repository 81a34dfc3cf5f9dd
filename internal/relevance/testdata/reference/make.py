"""Writes vectors.json: what other programs make of synthetic runs.

    python -m venv venv && venv/bin/pip install -r requirements.txt
    venv/bin/python make.py

Needs perl for gdeval, which ir_measures runs. The output depends on nothing but
the versions in requirements.txt.
"""

import json
import pathlib
import random

import ir_measures
import pytrec_eval
from ir_measures import ERR, Judged, Qrel, ScoredDoc, nDCG
from rbo import RankingSimilarity
from scipy import stats

CUTS = (1, 3, 10, 100)
GRADES = (-1, 0, 0, 1, 1, 2, 3, 4)


def collection(rng):
    """Returns qrels and a run with every irregularity that a run can have."""
    qrels, run = {}, {}
    for number in range(1, 25):
        query = str(number)
        documents = [f"d{n}" for n in rng.sample(range(400), 60)]
        judged = documents[: rng.randint(1, 30)]
        grades = GRADES if number % 3 else (0, 1)
        qrels[query] = {d: rng.choice(grades) for d in judged}
        if number % 8 == 0:  # nothing is relevant
            qrels[query] = {d: 0 for d in judged}
        if number % 7 == 0:  # judged, and not in the run
            continue
        found = rng.sample(documents, rng.choice((1, 5, 20, 60)))
        # Few distinct scores: ties, some of them only in 32 bits.
        run[query] = {
            d: rng.randint(0, 6) / 2 + rng.choice((0, 1e-12)) for d in found
        }
    run["99"] = {"d1": 1.0}  # in the run, and not judged
    return qrels, run


def by_trec_eval(qrels, run):
    cuts = ",".join(map(str, CUTS))
    names = {f"{m}.{cuts}" for m in ("ndcg_cut", "map_cut", "P", "recall")} | {"recip_rank"}
    found = pytrec_eval.RelevanceEvaluator(qrels, names).evaluate(run)
    exponential = {q: {d: 2**g - 1 if g > 0 else 0 for d, g in j.items()} for q, j in qrels.items()}
    found_exp = pytrec_eval.RelevanceEvaluator(exponential, {f"ndcg_cut.{cuts}"}).evaluate(run)
    values = {}
    for query in qrels:
        of = values[query] = {}
        row, row_exp = found.get(query, {}), found_exp.get(query, {})
        rank = row.get("recip_rank", 0.0)
        for k in CUTS:
            of[f"ndcg@{k}"] = row.get(f"ndcg_cut_{k}", 0.0)
            of[f"ndcg_exp@{k}"] = row_exp.get(f"ndcg_cut_{k}", 0.0)
            of[f"map@{k}"] = row.get(f"map_cut_{k}", 0.0)
            of[f"p@{k}"] = row.get(f"P_{k}", 0.0)
            of[f"r@{k}"] = row.get(f"recall_{k}", 0.0)
            # trec_eval has no cut-off here; below it there is nothing.
            of[f"mrr@{k}"] = rank if rank * k >= 1 - 1e-9 else 0.0
    return values


def err(ranked, grades, k):
    """gdeval prints five digits; this is its formula in full."""
    total, goes_on = 0.0, 1.0
    for place, document in enumerate(ranked[:k], 1):
        satisfied = (2 ** max(grades.get(document, 0), 0) - 1) / 16
        total += goes_on * satisfied / place
        goes_on *= 1 - satisfied
    return total


def add_others(values, qrels, run):
    """Adds ERR and Judged, checked against ir_measures, and checks nDCG again."""
    as_qrels = [Qrel(q, d, g) for q, j in qrels.items() for d, g in j.items()]
    # The other providers keep neither 32-bit ties nor the order of ids, so they
    # get scores without ties in trec_eval's order.
    order = {q: trec_order(s) for q, s in run.items()}
    as_run = [ScoredDoc(q, d, -place) for q, o in order.items() for place, d in enumerate(o)]
    measures = [m @ k for k in CUTS for m in (ERR, Judged, nDCG(dcg="exp-log2"), nDCG)]
    theirs = {(m.query_id, str(m.measure)): m.value for m in ir_measures.iter_calc(measures, as_qrels, as_run)}
    for query, of in values.items():
        for k in CUTS:
            of[f"err@{k}"] = err(order.get(query, []), qrels[query], k)
            of[f"judged@{k}"] = theirs[query, str(Judged @ k)]
            assert abs(of[f"err@{k}"] - theirs[query, str(ERR @ k)]) < 6e-6, (query, k)
            assert abs(of[f"ndcg@{k}"] - theirs[query, str(nDCG @ k)]) < 1e-9, (query, k)
            assert abs(of[f"ndcg_exp@{k}"] - theirs[query, str(nDCG(dcg="exp-log2") @ k)]) < 6e-6, (query, k)


def trec_order(scores):
    import numpy

    by_id = sorted(scores, reverse=True)  # ASCII ids: code points are bytes
    return sorted(by_id, key=lambda d: -numpy.float32(scores[d]))


def tests(rng):
    """Paired samples with the outcome of both tests."""
    out = []
    for n, shift in ((2, 0.3), (8, 0.05), (12, 0.2), (12, 0.0), (60, 0.02), (400, 0.01)):
        a = [round(rng.random(), 6) for _ in range(n)]
        b = [x if rng.random() < 0.2 else round(x + rng.gauss(shift, 0.1), 6) for x in a]
        t = stats.ttest_rel(b, a)
        case = {"a": a, "b": b, "t": t.statistic, "p": t.pvalue}
        if n <= 12:
            exact = stats.permutation_test((b, a), lambda x, y, axis: (x - y).sum(axis=axis), permutation_type="samples",
                                           vectorized=True, n_resamples=10**6, alternative="two-sided")
            case["randomisation"] = exact.pvalue
        out.append(case)
    return out


def pairs(rng):
    """Pairs of rankings with their agreement."""
    out = []
    for n, m, pool in ((1, 1, 1), (5, 5, 5), (10, 10, 14), (10, 4, 12), (3, 20, 20), (50, 50, 70), (6, 6, 100)):
        ids = [f"d{i}" for i in range(pool)]
        a, b = rng.sample(ids, n), rng.sample(ids, m)
        shared = [d for d in a if d in b]
        case = {"a": a, "b": b, "shared": len(shared), "tau": 0.0}
        case["jaccard"] = len(shared) / len(set(a) | set(b))
        if len(shared) > 1:
            case["tau"] = stats.kendalltau([a.index(d) for d in shared], [b.index(d) for d in shared]).statistic
        case["rbo"] = RankingSimilarity(a, b).rbo_ext(p=0.9)
        out.append(case)
    return out


def main():
    rng = random.Random(20)
    qrels, run = collection(rng)
    values = by_trec_eval(qrels, run)
    add_others(values, qrels, run)
    text = json.dumps({"qrels": qrels, "run": run, "values": values, "tests": tests(rng), "pairs": pairs(rng)}, separators=(",", ":"))
    pathlib.Path(__file__).with_name("vectors.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
