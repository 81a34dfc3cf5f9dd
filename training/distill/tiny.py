"""Stage `tiny`: the student of two layers, told what the texts have in common (lexical.py), learns mini's logits.

Mini scores a sample of the groups once; the blocks are kept, so that an interruption loses one. Training starts from mini's first and last layer. After a fifth of its time the first layer
is cut to the heads and the units that carry most by then, and training goes on with what is left.
"""

import json
import multiprocessing
import os
import pathlib
import time

import numpy as np
import torch

from . import bert, lexical, machine as machines
from .bert import HEAD
from .pairs import CLS, SEP, Texts, score
from .progress import Progress
from .train import Average, loss_of, measured, read_state, weights_of

LAYERS, INNER = (0, 5), 768
CUT_HEADS, CUT_INNER = 8, 384  # of the first layer, which is run for every token
WIDTH = 8  # candidates of a group
LENGTHS, LONG_SHARE = (112, 256), 0.25  # tokens of a group's passages, and how many groups have the longer ones
BLOCK = 200  # groups scored between two saves
HELD = 2 * BLOCK  # groups that are not trained on, at most a tenth: they show whether more groups would help
WIDE_SHARE = 0.2  # of the time, before the first layer is cut
DECAY, AVERAGED = 0.5, 0.3  # last parts of the run in which the rate falls, and whose parameters are averaged


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


def narrow(state, inner):
    """The state with its feed-forward layers cut to the inner units that carry most: by the product of the norms of what goes in and what comes out."""
    out = dict(state)
    for key in [k for k in state if k.endswith(".up.weight")]:
        stem = key.removesuffix("up.weight")
        worth = state[key].norm(dim=1) * state[stem + "down.weight"].norm(dim=0)
        kept = worth.topk(inner).indices.sort().values
        out[key], out[stem + "up.bias"] = state[key][kept], state[stem + "up.bias"][kept]
        out[stem + "down.weight"] = state[stem + "down.weight"][:, kept]
    return out


@torch.no_grad()
def cut(model, feeds, heads, inner):
    """The model with its first layer cut to the heads and inner units whose contributions vary most over the feeds; the mean of what the others contributed goes into the biases."""
    layer, contexts, units = model.layers[0], [], []
    for ids, types, mask in feeds:
        x = model.embed(ids, types, mask)[0]
        context = layer.context(x, mask[:, None, None, :])
        contexts.append(context[mask])
        units.append(layer.units(bert.norm(layer.norm1, x + bert.linear(layer.out, context)))[mask])
    contexts, units = torch.cat(contexts), torch.cat(units)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    out, down = state["layers.0.out.weight"], state["layers.0.down.weight"]
    worth = torch.stack([(c @ w.T).var(0).sum() for c, w in zip(contexts.split(HEAD, 1), out.split(HEAD, 1))])
    kept_heads = worth.topk(heads).indices.sort().values
    kept_context = (kept_heads[:, None] * HEAD + torch.arange(HEAD, device=out.device)).reshape(-1)
    kept_units = (units.var(0) * down.pow(2).sum(0)).topk(inner).indices.sort().values
    for name, weight, values, kept in (("out", out, contexts, kept_context), ("down", down, units, kept_units)):
        mean = values.mean(0)
        state[f"layers.0.{name}.bias"] += weight @ mean - weight[:, kept] @ mean[kept]
        state[f"layers.0.{name}.weight"] = weight[:, kept]
    for kind in ("weight", "bias"):
        state[f"layers.0.qkv.{kind}"] = torch.cat([part[kept_context] for part in state[f"layers.0.qkv.{kind}"].chunk(3)])
        state[f"layers.0.up.{kind}"] = state[f"layers.0.up.{kind}"][kept_units]
    return bert.of(state).to(out.device)


class Trainer:
    """Trains by scored groups, but for the last ones, which are held back. The optimizer's moments are new after the cut."""

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

    def feeds(self, steps=4):
        """Model inputs of some groups."""
        for _ in range(steps):
            drawn, most = self.draw()
            queries, passages = self.pairs(drawn)
            yield self.texts[most].pairs(queries, passages, int(self.texts[most].lengths(queries, passages).max()))

    def run(self, model, seconds, last):
        """Trains for so long; with last, the rate falls and parameters are averaged towards the end."""
        params = model.trainable(False)
        optimizer = torch.optim.AdamW(params, lr=self.args.rate, betas=(0.9, 0.98), weight_decay=0.01)
        average, step, pairs, kls = Average(), 0, 0, []
        started = told = time.monotonic()
        progress = Progress("train", self.args.steps, seconds=seconds)
        while (done := (time.monotonic() - started) / seconds) < 1 and step < self.args.steps:
            rate = self.args.rate * min(1.0, (step + 1) / self.args.warmup)
            if last and done > 1 - DECAY:
                rate *= max(0.1, (1 - done) / DECAY)
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
            if last and done > 1 - AVERAGED and step % 3 == 0:
                average.add(params)
            now = time.monotonic()
            if now - told > 20:
                mean = float(torch.stack(kls).mean())
                self.curve.append({"step": step, "seconds": round(self.spent + now - started, 1), "kl": round(mean, 4)})
                progress.add(step - progress.count, f"KL {mean:.4f}, {pairs / (now - started):.0f} pairs/s")
                kls, told = [], now
        self.spent += time.monotonic() - started
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
    middle = args.work / "tiny-middle.pt"
    if middle.exists():
        model = bert.of(torch.load(middle))
    else:
        model = student(mini, lexical.idf(arrays)).to(machine.device)
        trainer.run(model, args.minutes * 60 * WIDE_SHARE, last=False)
        model = cut(model, trainer.feeds(), CUT_HEADS, CUT_INNER)
        torch.save(model.state_dict(), middle)
    trainer.run(model, args.minutes * 60 * (1 - WIDE_SHARE), last=True)
    torch.save(model.state_dict(), args.work / "tiny.pt")
    held = np.arange(trainer.trained, len(scored["groups"]))
    divergence = {name: round(trainer.divergence(model, groups), 4) for name, groups in (("trained", np.arange(len(held))), ("held back", held))}
    print(f"tiny: KL to mini {divergence['trained']} on groups it was trained on, {divergence['held back']} on others (far apart: score more groups)", flush=True)
    args.name = "tiny"
    result = {"name": "tiny", "machine": str(machine), "seconds": round(trainer.spent), "curve": trainer.curve, "divergence": divergence, **measured(args, machine, model)}
    (args.work / "tiny.json").write_text(json.dumps(result, indent=1))


def student(state, rarity):
    """The untrained student of a deeper model's state."""
    wide = narrow(bert.keep_layers(state, LAYERS), INNER)
    model = bert.Encoder([(bert.WIDTH, INNER)] * len(LAYERS), lexical=True)
    model.load_state_dict(wide, strict=False)
    model.lexical.begin(model.words.weight, rarity)
    return model
