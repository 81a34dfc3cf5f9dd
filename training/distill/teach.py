"""Stage 2: what the teachers think of each query's candidates, scored once and kept.

The bi-encoder embeds every text once; its own best 128 are sampled, too, so that candidates come from two retrievers. Then the cross-encoder scores every pair of a group.
"""

import numpy as np
import torch

from . import bert, machine as machines, teachers
from .measure import MEASURED_TOKENS, Windows, row
from .pairs import Texts, embed, score
from .progress import Progress
from .sources import DEEP

PASSAGE_TOKENS = 256


def load(name, work, machine):
    _, layers, head = teachers.TEACHERS[name]
    model = bert.Encoder(layers, head).to(machine.device).eval()
    model.load_state_dict(bert.from_export(teachers.load(work / (name + ".npz"))))
    return model.requires_grad_(False)


@torch.no_grad()
def dense(q, p, group_source, passage_source, count, seed, positive):
    """[groups, count] passages sampled from the bi-encoder's best DEEP of the same source, the better the likelier."""
    device = q.device
    torch.manual_seed(seed)
    out = torch.full((len(q), count), -1, dtype=torch.long, device=device)
    for source in np.unique(group_source):
        inside = torch.from_numpy(np.nonzero(passage_source == source)[0]).to(device)
        rows = torch.from_numpy(np.nonzero(group_source == source)[0]).to(device)
        deep = min(DEEP, len(inside))
        weights = 1.0 / (torch.arange(deep, device=device) + 8.0)
        for part in rows.split(4096):
            best = inside[(q[part] @ p[inside].T).topk(deep, dim=1).indices]
            fresh = (best[:, :, None] != positive[part][:, None, :]).all(2)
            drawn = torch.multinomial(weights * fresh + 1e-9, min(count, deep))
            out[part, : drawn.shape[1]] = best.gather(1, drawn)
    return out


def assemble(arrays, found, rng):
    """[groups, width] candidates: positives, judged negatives, lexical, dense, random; −1 where a place is empty. A passage stands once in a group."""
    total = len(arrays["passages_at"]) - 1
    source = arrays["passage_source"]
    first = np.searchsorted(source, np.arange(source.max() + 1))
    count = np.bincount(source)
    groups = len(arrays["query"])
    near = first[arrays["source"]] + rng.integers(0, count[arrays["source"]])
    far = rng.integers(0, total, groups)
    out = np.concatenate([arrays["positive"], arrays["negative"], arrays["lexical"], found, near[:, None], far[:, None]], 1)
    for column in range(1, out.shape[1]):
        twice = (out[:, column : column + 1] == out[:, :column]).any(1)
        out[twice, column] = -1
    return out.astype(np.int32)


@torch.no_grad()
def run(args):
    machine = machines.find()
    print(f"teach: on {machine}", flush=True)
    arrays = dict(np.load(args.work / "prepared.npz"))
    texts = Texts(arrays, machine.device, PASSAGE_TOKENS)
    groups = len(arrays["query"])
    if args.groups and args.groups < groups:
        chosen = np.sort(np.random.default_rng(args.seed).choice(groups, args.groups, replace=False))
        for name in ("query", "labelled", "source", "positive", "negative", "lexical"):
            arrays[name] = arrays[name][chosen]
        groups = len(chosen)
    prefix = tuple(int(i) for i in arrays["query_prefix"])
    bi = load("bi", args.work, machine)
    query = arrays["query"].astype(np.int64)
    p = embed(bi, texts, "passages", np.arange(len(arrays["passages_at"]) - 1), machine.budget, machine.teacher_dtype)
    q = embed(bi, texts, "queries", query, machine.budget, machine.teacher_dtype, prefix)
    positive = torch.from_numpy(arrays["positive"].astype(np.int64)).to(machine.device)
    found = dense(q, p, arrays["source"], arrays["passage_source"], args.dense, args.seed, positive)
    candidates = assemble(arrays, found.cpu().numpy(), np.random.default_rng(args.seed))
    print("teach: candidates sampled", flush=True)
    valid = candidates >= 0
    similar = np.zeros(candidates.shape, np.float32)
    for part in np.array_split(np.arange(groups), max(1, groups // 8192)):
        at = torch.from_numpy(np.maximum(candidates[part], 0).astype(np.int64)).to(machine.device)
        similar[part] = (q[part[0] : part[-1] + 1, None] * p[at]).sum(2).cpu().numpy()
    cross = load("cross", args.work, machine)
    logits = np.zeros(candidates.shape, np.float32)
    progress = Progress("teach", groups)
    parts = max(min(groups, 20), groups // 4096)
    for part in np.array_split(np.arange(groups), parts):
        rows, _ = np.nonzero(valid[part])
        flat = score(cross, texts, query[part][rows], candidates[part][valid[part]].astype(np.int64), machine.budget, machine.teacher_dtype)
        block = np.zeros(valid[part].shape, np.float32)
        block[valid[part]] = flat.float().cpu().numpy()
        logits[part] = block
        progress.add(len(part))
    progress.done()
    np.savez(
        args.work / "taught.npz", query=query.astype(np.int32), source=arrays["source"], labelled=arrays["labelled"],
        candidates=candidates, positives=arrays["positive"].shape[1], negatives=arrays["negative"].shape[1], cross=logits, bi=similar,
    )  # fmt: skip
    report(args, machine, cross, bi, prefix, arrays)


def report(args, machine, cross, bi, prefix, arrays):
    """What the teachers gain themselves, on the dev mix and the test collections: the bar for the student."""
    for label, file in (("dev", "prepared.npz"), ("eval", "eval.npz")):
        if not (args.work / file).exists():
            continue
        loaded = arrays if file == "prepared.npz" else dict(np.load(args.work / file))
        windows = Windows(loaded, Texts(loaded, machine.device, MEASURED_TOKENS))
        before = windows.ndcg()
        c = windows.cross(cross, machine, machine.teacher_dtype)
        b = windows.bi(bi, machine, machine.teacher_dtype, prefix)
        print(f"{label}: BM25 nDCG@10 " + "  ".join(f"{n} {v:.4f}" for n, v in before.items()))
        print(row(f"{label}: cross-encoder", windows.ndcg(c), before))
        print(row(f"{label}: bi-encoder", windows.ndcg(b), before))
        print(row(f"{label}: both", windows.ndcg(windows.both(c, b)), before), flush=True)
