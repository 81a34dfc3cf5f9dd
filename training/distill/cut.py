"""A model cut to the attention heads and inner units that matter most to its logit, layer by layer as many as they are worth.

What one is worth is the mean square of the logit's derivative by how far what it contributes is from its mean (the diagonal of the Fisher information, as arXiv 2204.09656 prunes by);
the mean of what is cut goes into the biases. The budget of products a token is given to whatever is worth most for its cost.
"""

import collections

import torch

from . import bert
from .bert import HEAD, WIDTH

BLOCK = 64  # inner units that are kept or cut together
LEAST = 2  # heads, and blocks, of a layer
LAST = 0.15  # cost of an inner unit of the last layer, whose products are of one token: the memory that they read


class Gates:
    """A gate of 1 on each pair's heads and units: what passes is mean + gate × (value − mean). Places are (layer, "out" for heads or "down" for units)."""

    def __init__(self, model, feeds):
        self.model, seen = model, collections.defaultdict(list)

        def keep(place, values, mask):
            seen[place].append(values[mask[:, : values.shape[1]]])
            return values

        with torch.no_grad():
            for feed in feeds:
                self.logits(feed, keep)
        self.means = {place: torch.cat(each).mean(0) for place, each in seen.items()}

    def logits(self, feed, change):
        """The pairs' logits; change is given a place, the values there and the mask of tokens, and returns the values that pass."""
        x, mask = self.model.embed(*feed)
        return self.model.read(x, mask[:, None, None, :], lambda n, kind, values: change((n, kind), values, mask))

    def worth(self, feeds):
        """{place: [heads] or [units]}"""
        sums, pairs = dict.fromkeys(self.means, 0.0), 0
        for feed in feeds:
            gates = {}

            def gated(place, values, _):
                size = HEAD if place[1] == "out" else 1
                gates[place] = gate = torch.ones(len(values), 1, values.shape[2] // size, device=values.device, requires_grad=True)
                return self.means[place] + (values - self.means[place]) * gate.repeat_interleave(size, 2)

            logits = self.logits(feed, gated)
            logits.sum().backward(inputs=list(gates.values()))
            pairs += len(logits)
            for place, gate in gates.items():
                sums[place] = sums[place] + gate.grad[:, 0].pow(2).sum(0)
        return {place: total / pairs for place, total in sums.items()}


def shares(heads, units, budget):
    """How many heads and inner units each layer keeps: [(heads, units)]. budget: multiplications a token."""
    layers, options, left = len(heads), [], budget
    for n in range(layers):
        last = n == layers - 1
        head, block = (2 if last else 4) * HEAD * WIDTH, 2 * WIDTH * BLOCK * (LAST if last else 1)
        blocks = units[n].sort(descending=True).values.unfold(0, BLOCK, BLOCK).sum(1)
        for kind, cost, worth in ((0, head, heads[n].sort(descending=True).values), (1, block, blocks)):
            left -= LEAST * cost
            options += [(float(w) / cost, cost, n, kind) for w in worth[LEAST:]]
    kept = [[LEAST, LEAST] for _ in heads]
    for _, cost, n, kind in sorted(options, reverse=True):
        if cost <= left:
            left -= cost
            kept[n][kind] += 1
    return [(h, b * BLOCK) for h, b in kept]


def cut(model, some, more, budget):
    """The model cut to the budget. some, more: feeds (ids, types, mask) to find the means and the worth by."""
    gates = Gates(model, some)
    worth = gates.worth(more)
    heads, units = ([worth[n, kind] for n in range(len(model.layers))] for kind in ("out", "down"))
    state = {key: value.clone() for key, value in model.state_dict().items()}
    for n, (head_count, unit_count) in enumerate(shares(heads, units, budget)):
        p = f"layers.{n}."
        kept_heads, kept_units = heads[n].topk(head_count).indices.sort().values, units[n].topk(unit_count).indices.sort().values
        kept_context = (kept_heads[:, None] * HEAD + torch.arange(HEAD, device=kept_heads.device)).reshape(-1)
        for name, kept in (("out", kept_context), ("down", kept_units)):
            mean, weight = gates.means[n, name], state[f"{p}{name}.weight"]
            state[f"{p}{name}.bias"] += weight @ mean - weight[:, kept] @ mean[kept]
            state[f"{p}{name}.weight"] = weight[:, kept]
        for kind in ("weight", "bias"):
            state[f"{p}qkv.{kind}"] = torch.cat([part[kept_context] for part in state[f"{p}qkv.{kind}"].chunk(3)])
            state[f"{p}up.{kind}"] = state[f"{p}up.{kind}"][kept_units]
    return bert.of(state).to(model.words.weight.device)
