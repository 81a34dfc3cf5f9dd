"""Stage 3: the student learns the teachers' order of every group.

Target of a candidate, in the cross-encoder's own scale: mean + deviation × z(z(cross) + z(bi)), plus a bonus where a label says that it is relevant. The loss is the listwise
Kullback-Leibler divergence to the target's softmax, plus Margin-MSE (the squared difference of all margins within the group, which is that of the centred scores), plus
a little of the plain squared difference, which keeps the logits on the cross-encoder's scale so that thresholds on them keep their meaning.

The rate is constant after a warm-up; in place of a schedule the parameters are averaged along the last part of the trajectory.
"""

import json
import time

import numpy as np
import torch
import torch.nn.functional as F

from . import bert, machine as machines, teach
from .bert import z
from .measure import MEASURED_TOKENS, Windows, row
from .pairs import Texts, score
from .progress import Progress
from .smooth import RANGE, SMOOTHING

# Which layers of its teacher the student starts from.
LAYERS = (0, 2, 4, 6, 9, 11)


def targets(cross, bi, valid, positive, bonus, bi_weight=1.0):
    """The teachers' target logits of groups: all [groups, width]; bonus: [groups, 1]."""
    n = valid.sum(1, keepdim=True).clamp(min=1)
    mean = (cross * valid).sum(1, keepdim=True) / n
    spread = (((cross - mean) ** 2 * valid).sum(1, keepdim=True) / n).sqrt().clamp(2.0, 5.0)
    both = z(z(cross, valid) + bi_weight * z(bi, valid), valid)
    return (mean + spread * both + bonus * positive) * valid


def loss_of(scores, target, cross, valid, temperature=1.5, margin=0.05, scale=0.01):
    away = torch.finfo(torch.float32).min
    log_s = F.log_softmax((scores / temperature).masked_fill(~valid, away), 1)
    log_t = F.log_softmax((target / temperature).masked_fill(~valid, away), 1)
    kl = (log_t.exp() * (log_t - log_s) * valid).sum(1)
    n = valid.sum(1, keepdim=True).clamp(min=1)
    difference = (scores - target) * valid
    centred = (difference - difference.sum(1, keepdim=True) / n) * valid
    margins = (centred**2).sum(1) / n[:, 0]
    level = (((scores - cross) * valid) ** 2).sum(1) / n[:, 0]
    return (kl + margin * margins + scale * level).mean(), kl.mean()


class Average:
    """The mean of the parameters over the steps it is shown."""

    def __init__(self):
        self.count, self.sums = 0, None

    def add(self, params):
        params = [p.detach() for p in params]
        if self.sums is None:
            self.sums = [p.clone() for p in params]
        else:
            torch._foreach_add_(self.sums, params)
        self.count += 1

    def apply(self, params):
        for p, s in zip(params, self.sums):
            p.data.copy_(s / self.count)


def weights_of(source, labelled, labelled_share):
    """Probability of each group: sources count by the square root of their size, and labelled queries as a share of theirs."""
    out = np.zeros(len(source))
    for s in np.unique(source):
        inside = source == s
        for kind, share in ((True, labelled_share), (False, 1 - labelled_share)):
            rows = inside & (labelled == kind)
            if rows.any():
                out[rows] = share * np.sqrt(inside.sum()) / rows.sum()
    return out / out.sum()


class Trainer:
    def __init__(self, args, student, machine, taught, texts):
        self.args, self.student, self.machine, self.texts = args, student, machine, texts
        self.params = student.trainable(args.words)
        self.optimizer = torch.optim.AdamW(self.params, lr=args.rate, betas=(0.9, 0.98), weight_decay=0.01, fused=machine.device.type == "cuda")
        self.average, self.step, self.curve = Average(), 0, []
        self.load_groups(taught)

    def load_groups(self, taught):
        self.query, self.candidates = taught["query"].astype(np.int64), taught["candidates"].astype(np.int64)
        source, labelled = taught["source"], taught["labelled"]
        self.p = weights_of(source, labelled, self.args.labelled_share)
        names = [str(n) for n in taught["names"]]
        judged = np.isin(source, [i for i, n in enumerate(names) if n in self.args.judged])
        bonus = np.where(labelled, np.where(judged, self.args.judged_bonus, self.args.bonus), 0.0).astype(np.float32)
        positive = np.zeros(self.candidates.shape, np.float32)
        positive[:, : int(taught["positives"])] = 1
        valid = torch.from_numpy(self.candidates >= 0)
        cross, bi = torch.from_numpy(taught["cross"]), torch.from_numpy(taught["bi"])
        parts = [
            targets(c, b, v, p, g[:, None], self.args.bi_weight)
            for c, b, v, p, g in zip(*(x.split(65536) for x in (cross, bi, valid, torch.from_numpy(positive), torch.from_numpy(bonus))))
        ]
        device = self.machine.device
        self.target, self.cross, self.valid = torch.cat(parts).to(device), cross.to(device), valid.to(device)

    def one(self, rows):
        valid = self.candidates[rows] >= 0
        at, _ = np.nonzero(valid)
        queries, passages = self.query[rows][at], self.candidates[rows][valid]
        on = torch.from_numpy(rows).to(self.machine.device)
        known = self.valid[on]
        scores = torch.zeros(known.shape, device=self.machine.device)
        scores = scores.masked_scatter(known, score(self.student, self.texts, queries, passages, self.machine.budget, self.machine.dtype).float())
        target = self.target[on]
        loss, kl = loss_of(scores, target, self.cross[on], known, self.args.temperature)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.params, 1.0)
        self.optimizer.step()
        return kl.detach(), len(queries)

    def fraction(self, started, steps, seconds):
        """How much of the run is done, by steps or by time, whichever ends first."""
        return max(self.step / steps, (self.spent + time.monotonic() - started) / seconds)

    def run(self, steps, seconds, checkpoint=None, every=600.0):
        """Trains until the steps or the seconds are used up; a checkpoint, where there is one, is gone on from."""
        self.spent = 0.0
        if checkpoint and checkpoint.exists():
            self.resume(checkpoint)
        groups = self.machine.groups
        rng = np.random.default_rng(self.args.seed + self.step)
        started = saved = told = time.monotonic()
        progress = Progress("train", steps, seconds=seconds - self.spent)
        kls, pairs = [], 0
        while (done := self.fraction(started, steps, seconds)) < 1:
            for group in self.optimizer.param_groups:
                group["lr"] = self.args.rate * min(1.0, (self.step + 1) / self.args.warmup)
            kl, n = self.one(self.draw(rng, groups))
            kls.append(kl)
            pairs += n
            self.step += 1
            if done > 1 - self.args.averaged and self.step % self.args.average_every == 0:
                self.average.add(self.params)
            now = time.monotonic()
            if now - told > 10:
                mean = float(torch.stack(kls).mean())
                self.curve.append({"step": self.step, "seconds": round(self.spent + now - started, 1), "pairs": pairs, "kl": round(mean, 4)})
                progress.add(self.step - progress.count, f"KL {mean:.4f}, {pairs / (now - started):.0f} pairs/s")
                kls, told = [], now
            if checkpoint and now - saved > every:
                self.save(checkpoint, now - started)
                saved = now
        self.spent += time.monotonic() - started
        print(f"train: {self.step} steps of {groups} groups, {pairs} pairs in {time.monotonic() - started:.0f} s", flush=True)
        if self.average.count:
            self.average.apply(self.params)

    def draw(self, rng, groups):
        """groups drawn with replacement; a block at a time, since one draw costs as much as many."""
        if not getattr(self, "block", None):
            self.block = list(rng.choice(len(self.query), (256, groups), p=self.p))
        return self.block.pop()

    def save(self, file, seconds):
        state = {"student": self.student.state_dict(), "optimizer": self.optimizer.state_dict(), "step": self.step, "spent": self.spent + seconds,
                 "average": (self.average.count, self.average.sums), "curve": self.curve}  # fmt: skip
        torch.save(state, file.with_suffix(".new"))
        file.with_suffix(".new").replace(file)

    def resume(self, file):
        state = torch.load(file, map_location=self.machine.device)
        self.student.load_state_dict(state["student"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.spent, self.curve = state["step"], state["spent"], state["curve"]
        self.average.count, self.average.sums = state["average"]
        print(f"train: going on at step {self.step}", flush=True)


def student(teacher, layers=None):
    """A student that starts from the teacher's layers; layers overrides which."""
    return bert.of(bert.keep_layers(teacher, layers or LAYERS))


def read_state(path, work):
    """A student's state: of a checkpoint (.pt), of the weights that are kept in this folder (.npz, half precision, without the teacher's words), or of an exported model folder."""
    if path.is_dir():
        from .export import state_of

        return {k: torch.tensor(v) for k, v in state_of(path / "model.onnx").items()}
    if path.suffix == ".pt":
        return torch.load(path, map_location="cpu")
    state = {k: torch.tensor(v.astype(np.float32)) for k, v in np.load(path).items() if not k.endswith((SMOOTHING, RANGE))}
    teacher = teach.teachers.load(work / "cross.npz")
    return {"words.weight": torch.tensor(teacher["embeddings.word_embeddings.weight"]), **state}


def measured(args, machine, model):
    """nDCG@10 gains on the dev mix and the test collections: {label: (by source, mean)}."""
    out = {}
    for label, file in (("dev", "prepared.npz"), ("eval", "eval.npz")):
        if not (args.work / file).exists():
            continue
        if file not in CACHE:
            loaded = dict(np.load(args.work / file))
            CACHE[file] = Windows(loaded, Texts(loaded, machine.device, MEASURED_TOKENS))
        windows = CACHE[file]
        before = windows.ndcg()
        after = windows.ndcg(windows.cross(model, machine, machine.dtype))
        print(row(f"{label}: {args.name}", after, before), flush=True)
        out[label] = {"before": before, "after": after}
    return out


CACHE = {}


def load_groups(work):
    taught = dict(np.load(work / "taught.npz"))
    prepared = dict(np.load(work / "prepared.npz"))
    taught["names"] = prepared["names"]
    return taught, prepared


def run(args):
    if args.name != "mini":
        raise SystemExit(f"train: it makes mini; {args.name} has a stage of its own")
    machine = machines.find(args.batch)
    print(f"train: {args.name} on {machine}", flush=True)
    taught, prepared = load_groups(args.work)
    texts = Texts(prepared, machine.device, args.passage_tokens)
    model = student(bert.from_export(teach.teachers.load(args.work / "cross.npz")), args.layers).to(machine.device)
    if args.start:
        model.load_state_dict(read_state(args.start, args.work))
    if args.compile:
        model.compile(dynamic=True)
    trainer = Trainer(args, model, machine, taught, texts)
    trainer.run(args.steps, args.minutes * 60, args.work / f"{args.name}.checkpoint")
    torch.save(model.state_dict(), args.work / f"{args.name}.pt")
    result = {"name": args.name, "machine": str(machine), "steps": trainer.step, "seconds": round(trainer.spent), "curve": trainer.curve, **measured(args, machine, model)}
    (args.work / f"{args.name}.json").write_text(json.dumps(result, indent=1))
