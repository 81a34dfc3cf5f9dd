"""Stage `tiny`: mini itself, reading the tokens of a passage that matter most (skim.py) with the heads and units that matter most (cut.py), learns mini's logits.

Mini scores a sample of the groups once; the blocks are kept, so that an interruption loses one.
"""

import json
import multiprocessing
import os
import pathlib
import time

import numpy as np
import torch

from . import bert, machine as machines, skim
from .cut import cut
from .pairs import CLS, SEP, Texts, score
from .progress import Progress
from .train import Average, loss_of, measured, read_state, weights_of

TOKENS = 44  # of a passage that are read
BUDGET = 3.4e6  # multiplications for each of them, of mini's 9.1 million
SEEN = {"worth of tokens": 25, "means": 2, "worth of heads and units": 14}  # steps' groups by which tokens, then heads and units are chosen
WIDTH = 8  # candidates of a group
LENGTHS, LONG_SHARE = (112, 256), 0.25  # tokens of a group's passages, and how many groups have the longer ones
BLOCK = 200  # groups scored between two saves
HELD = 2 * BLOCK  # groups that are not trained on, at most a tenth: they show whether more groups would help
DECAY, LOWEST = 0.65, 0.03  # last part of the run in which the rate falls, and to what part of it
AVERAGED = 0.2  # last part whose parameters are averaged


def sample(arrays, count, seed):
    """count groups without replacement, by the weights of weights_of."""
    p = weights_of(arrays["source"], arrays["labelled"], 0.6)
    return np.random.default_rng(seed).choice(len(p), min(count, len(p)), replace=False, p=p)


def candidates(arrays, group, rng):
    """A positive and a judged negative where there are any, BM25's, and one at random of the same source; each once."""
    near = [int(i) for i in arrays["lexical"][group] if i >= 0]
    rng.shuffle(near)
    judged = [int(rng.choice(row[row >= 0])) for row in (arrays["positive"][group], arrays["negative"][group]) if (row >= 0).any()]
    inside = arrays["passage_source"] == arrays["source"][group]
    first, count = int(inside.argmax()), int(inside.sum())
    return list(dict.fromkeys([*judged, *near[: WIDTH - 1 - len(judged)], int(first + rng.integers(count))]))


def text(arrays, name, row, most):
    at = arrays[name + "_at"]
    return arrays[name][at[row] : min(at[row + 1], at[row] + most)].astype(np.int64)


def assemble(arrays, groups, seed):
    """A block's [groups, WIDTH] candidates, −1 where a place is empty, and [groups] tokens of their passages."""
    rng = np.random.default_rng(seed)
    long = rng.random(len(groups)) < LONG_SHARE
    out = np.full((len(groups), WIDTH), -1, np.int32)
    for row, group in zip(out, groups):
        found = candidates(arrays, group, rng)
        row[: len(found)] = found
    return out, np.where(long, LENGTHS[1], LENGTHS[0])


def save(file, **arrays):
    new = file.with_suffix(".new.npz")
    np.savez(new, **arrays)
    os.replace(new, file)


class FileScorer:
    """Scores blocks with a model folder's file on one thread, each pair alone: exact also in int8."""

    def __init__(self, work, folder, seed):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
        self.arrays, self.seed = dict(np.load(work / "prepared.npz")), seed

    def block(self, number, groups, file):
        found, most = assemble(self.arrays, groups, (self.seed, number))
        logits = np.zeros(found.shape, np.float32)
        for i, group in enumerate(groups):
            query = text(self.arrays, "queries", self.arrays["query"][group], 64)
            for j in np.nonzero(found[i] >= 0)[0]:
                ids = np.concatenate([[CLS], query, [SEP], text(self.arrays, "passages", found[i, j], most[i]), [SEP]])[None]
                types = (np.arange(ids.shape[1]) > len(query) + 1).astype(np.int64)[None]
                logits[i, j] = self.session.run(None, {"input_ids": ids, "token_type_ids": types, "attention_mask": np.ones_like(ids)})[0][0, 0]
        save(file, groups=groups, candidates=found, logits=logits, most=most)
        return len(groups)


class DeviceScorer:
    """Scores blocks with a state on the GPU."""

    def __init__(self, machine, state, arrays, seed):
        self.machine, self.model, self.arrays, self.seed = machine, bert.of(state).to(machine.device), arrays, seed
        self.texts = {most: Texts(arrays, machine.device, most) for most in LENGTHS}

    @torch.no_grad()
    def block(self, number, groups, file):
        found, most = assemble(self.arrays, groups, (self.seed, number))
        logits, query = np.zeros(found.shape, np.float32), self.arrays["query"].astype(np.int64)[groups]
        for length, texts in self.texts.items():
            rows, columns = np.nonzero((found >= 0) & (most == length)[:, None])
            scores = score(self.model, texts, query[rows], found[rows, columns].astype(np.int64), self.machine.budget, self.machine.teacher_dtype)
            logits[rows, columns] = scores.float().cpu().numpy()
        save(file, groups=groups, candidates=found, logits=logits, most=most)
        return len(groups)


def begin(*args):
    global WORKER
    WORKER = FileScorer(*args)


def work_on(block):
    return WORKER.block(*block)


def score_groups(args, machine, arrays, folder, state):
    """Scores what is not yet scored of args.groups groups, by the folder's file or, on a GPU, by the state; returns all blocks' arrays."""
    kept = args.work / "tiny-scored"
    kept.mkdir(exist_ok=True)
    chosen = sample(arrays, args.groups or 40000, args.seed)
    blocks = [(n, chosen[at : at + BLOCK], kept / f"{n:05d}.npz") for n, at in enumerate(range(0, len(chosen), BLOCK))]
    left = [block for block in blocks if not block[2].exists()]
    if left:
        progress = Progress("score", sum(len(groups) for _, groups, _ in left))
        for done in scored_blocks(args, machine, arrays, folder, state, left):
            progress.add(done)
        progress.done()
    loaded = [np.load(file) for _, _, file in blocks]
    return {name: np.concatenate([block[name] for block in loaded]) for name in ("groups", "candidates", "logits", "most")}


def scored_blocks(args, machine, arrays, folder, state, blocks):
    if machine.device.type == "cuda":
        scorer = DeviceScorer(machine, state, arrays, args.seed)
        yield from (scorer.block(*block) for block in blocks)
        return
    with multiprocessing.get_context("spawn").Pool(len(os.sched_getaffinity(0)), begin, (args.work, folder, args.seed)) as pool:
        yield from pool.imap_unordered(work_on, blocks)


class Trainer:
    """Trains by scored groups, but for the last ones, which are held back."""

    def __init__(self, args, machine, arrays, scored):
        self.args, self.machine, self.scored = args, machine, scored
        self.trained = len(scored["groups"]) - min(HELD, len(scored["groups"]) // 10)
        self.query = arrays["query"].astype(np.int64)[scored["groups"]]
        self.texts = {most: Texts(arrays, machine.device, most) for most in LENGTHS}
        self.dtype = half(machine)
        self.rng, self.pools = np.random.default_rng(args.seed), {most: np.zeros(0, int) for most in LENGTHS}
        self.groups = args.batch or (128 if machine.device.type == "cuda" else 16)
        self.curve, self.spent = [], 0.0

    def draw(self):
        """Groups whose passages are equally long, each once before any comes again."""
        lengths = self.scored["most"][: self.trained]
        most = int(self.rng.choice(lengths))
        if len(self.pools[most]) < self.groups:
            self.pools[most] = self.rng.permutation(np.nonzero(lengths == most)[0])
        drawn, self.pools[most] = np.split(self.pools[most], [self.groups])
        return drawn, most

    def pairs(self, drawn):
        found = self.scored["candidates"][drawn].astype(np.int64)
        rows, _ = np.nonzero(found >= 0)
        return self.query[drawn][rows], found[found >= 0]

    def loss(self, model, drawn, most):
        """Loss and divergence of groups whose passages are equally long."""
        queries, passages = self.pairs(drawn)
        target = torch.from_numpy(self.scored["logits"][drawn]).to(self.machine.device)
        valid = torch.from_numpy(self.scored["candidates"][drawn] >= 0).to(self.machine.device)
        logits = score(model, self.texts[most], queries, passages, self.machine.budget, self.dtype).float()
        return loss_of(torch.zeros_like(target).masked_scatter(valid, logits), target, target, valid)

    @torch.no_grad()
    def divergence(self, model, groups):
        """The mean divergence of groups (numbers)."""
        total = 0.0
        for most in LENGTHS:
            alike = groups[self.scored["most"][groups] == most]
            for at in range(0, len(alike), self.groups):
                drawn = alike[at : at + self.groups]
                total += len(drawn) * float(self.loss(model, drawn, most)[1])
        return total / max(1, len(groups))

    def feeds(self, what, steps):
        """Model inputs of so many steps' groups; what: what they are for, shown beside how far it is."""
        progress = Progress(what, steps)
        for _ in range(steps):
            drawn, most = self.draw()
            queries, passages = self.pairs(drawn)
            yield self.texts[most].pairs(queries, passages, int(self.texts[most].lengths(queries, passages).max()))
            progress.add(1)
        progress.done()

    def run(self, model, seconds):
        """Trains for so long; the rate falls and parameters are averaged towards the end."""
        params = model.trainable(False)
        optimizer = torch.optim.AdamW(params, lr=self.args.rate, betas=(0.9, 0.98), weight_decay=0.01)
        average, step, pairs, kls = Average(), 0, 0, []
        started = told = time.monotonic()
        progress = Progress("train", self.args.steps, seconds=seconds)
        while (done := (time.monotonic() - started) / seconds) < 1 and step < self.args.steps:
            rate = self.args.rate * min(1.0, (step + 1) / self.args.warmup)
            if done > 1 - DECAY:
                rate *= max(LOWEST, (1 - done) / DECAY)
            for group in optimizer.param_groups:
                group["lr"] = rate
            drawn, most = self.draw()
            loss, kl = self.loss(model, drawn, most)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(params, 1.0)
            optimizer.step()
            step, pairs = step + 1, pairs + int((self.scored["candidates"][drawn] >= 0).sum())
            kls.append(kl.detach())
            if done > 1 - AVERAGED and step % 3 == 0:
                average.add(params)
            now = time.monotonic()
            if now - told > 20:
                mean = float(torch.stack(kls).mean())
                self.curve.append({"step": step, "seconds": round(now - started, 1), "kl": round(mean, 4)})
                progress.add(step - progress.count, f"KL {mean:.4f}, {pairs / (now - started):.0f} pairs/s")
                kls, told = [], now
        self.spent = time.monotonic() - started
        if average.count:
            average.apply(params)


def half(machine):
    """bfloat16 where the machine multiplies in it: twice as fast."""
    if machine.device.type == "cuda":
        return machine.dtype
    info = pathlib.Path("/proc/cpuinfo")
    return torch.bfloat16 if info.exists() and "avx512_bf16" in info.read_text() else torch.float32


def run(args):
    machine = machines.find(args.batch)
    print(f"tiny: on {machine}", flush=True)
    arrays = dict(np.load(args.work / "prepared.npz"))
    top = pathlib.Path(__file__).parents[2]
    folder = args.start if args.start and args.start.is_dir() else top / "scorer/builtin/model"
    mini = read_state(args.start or top / "training/weights/mini.npz", args.work)
    scored = score_groups(args, machine, arrays, folder, mini)
    torch.manual_seed(args.seed)
    trainer = Trainer(args, machine, arrays, scored)
    begin = args.work / "tiny-begin.pt"
    if not begin.exists():
        torch.save(student(mini, skim.idf(arrays), trainer).state_dict(), begin)
    model = bert.of(torch.load(begin)).to(machine.device)
    trainer.run(model, args.minutes * 60)
    torch.save(model.state_dict(), args.work / "tiny.pt")
    held = np.arange(trainer.trained, len(scored["groups"]))
    divergence = {name: round(trainer.divergence(model, groups), 4) for name, groups in (("trained", np.arange(len(held))), ("held back", held))}
    print(f"tiny: KL to mini {divergence['trained']} on groups it was trained on, {divergence['held back']} on others (far apart: score more groups)", flush=True)
    args.name = "tiny"
    result = {"name": "tiny", "machine": str(machine), "seconds": round(trainer.spent), "curve": trainer.curve, "divergence": divergence, **measured(args, machine, model)}
    (args.work / "tiny.json").write_text(json.dumps(result, indent=1))


def student(state, rarity, trainer):
    """The untrained student: the model of a state, cut to what matters most on the trainer's groups."""
    mini = bert.of(state).to(trainer.machine.device)
    mini.requires_grad_(False)
    skims = bert.Encoder(bert.depth(state), skims=True).to(trainer.machine.device)
    skims.load_state_dict(state, strict=False)
    skims.requires_grad_(False)
    of_tokens, means, of_units = (trainer.feeds(*each) for each in SEEN.items())
    pairs, tokens = skims.skim.learn(mini, rarity.to(trainer.machine.device), of_tokens, TOKENS)
    print(f"tiny: worth of tokens from {tokens:,} tokens of {pairs:,} pairs", flush=True)
    model = cut(skims, means, of_units, BUDGET)
    print("tiny: heads and inner units kept by layer: " + ", ".join(f"{layer.out.in_features // bert.HEAD} and {layer.up.out_features}" for layer in model.layers), flush=True)
    return model
