"""A model cut to the attention heads and inner units that matter most to its logit, layer by layer as many as they are worth.

What one is worth is the mean square of the logit's derivative by how far what it contributes is from its mean (the diagonal of the Fisher information, as arXiv 2204.09656 prunes by);
the mean of what is cut goes into the biases. The budget of products a token is given to whatever is worth most for its cost.
"""

import torch

from . import bert
from .bert import HEAD, WIDTH

BLOCK = 64  # inner units that are kept or cut together
LEAST = 2  # heads, and blocks, of a layer
LAST = 0.15  # cost of an inner unit of the last layer, whose products are of one token: the memory that they read


class Gates:
    """A gate of 1 on each pair's heads and units: what passes is mean + gate × (value − mean)."""

    def __init__(self, model, feeds):
        self.model, contexts, units = model, [[] for _ in model.layers], [[] for _ in model.layers]
        with torch.no_grad():
            for feed in feeds:
                self.forward(*feed, lambda n, x, at: contexts[n].append(x[at]) or x, lambda n, x, at: units[n].append(x[at]) or x)
        self.means = [[torch.cat(each).mean(0) for each in kind] for kind in (contexts, units)]

    def forward(self, ids, types, mask, on_context, on_units):
        """The pairs' logits; the functions are given the layer's number, values, and which of them stand for a token, and return values."""
        x, mask = self.model.embed(ids, types, mask)
        for n, layer in enumerate(self.model.layers):
            last = n == len(self.model.layers) - 1
            at, before = (mask[:, :1], x[:, :1]) if last else (mask, x)
            context = on_context(n, layer.context(x, mask[:, None, None, :], first=last), at)
            between = bert.norm(layer.norm1, before + bert.linear(layer.out, context))
            x = bert.norm(layer.norm2, between + bert.linear(layer.down, on_units(n, layer.units(between), at)))
        return self.model.result(x[:, 0])

    def worth(self, feeds):
        """For heads and for units, by layer: [heads] or [units]."""
        sums, pairs = ([0.0] * len(self.model.layers), [0.0] * len(self.model.layers)), 0
        for feed in feeds:
            gates = ({}, {})

            def gated(kind, n, x):
                count, mean = x.shape[2] // (1, HEAD)[kind == 0], self.means[kind][n]
                gates[kind][n] = gate = torch.ones(len(x), 1, count, device=x.device, requires_grad=True)
                return mean + (x - mean) * gate.repeat_interleave(x.shape[2] // count, 2)

            logits = self.forward(*feed, lambda n, x, at: gated(0, n, x), lambda n, x, at: gated(1, n, x))
            logits.sum().backward(inputs=[gate for kind in gates for gate in kind.values()])
            pairs += len(logits)
            for kind, total in zip(gates, sums):
                for n, gate in kind.items():
                    total[n] = total[n] + gate.grad[:, 0].pow(2).sum(0)
        return [[total / pairs for total in kind] for kind in sums]


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
    heads, units = gates.worth(more)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    for n, (head_count, unit_count) in enumerate(shares(heads, units, budget)):
        p = f"layers.{n}."
        kept_heads, kept_units = heads[n].topk(head_count).indices.sort().values, units[n].topk(unit_count).indices.sort().values
        kept_context = (kept_heads[:, None] * HEAD + torch.arange(HEAD, device=kept_heads.device)).reshape(-1)
        for name, mean, kept in (("out", gates.means[0][n], kept_context), ("down", gates.means[1][n], kept_units)):
            weight = state[f"{p}{name}.weight"]
            state[f"{p}{name}.bias"] += weight @ mean - weight[:, kept] @ mean[kept]
            state[f"{p}{name}.weight"] = weight[:, kept]
        for kind in ("weight", "bias"):
            state[f"{p}qkv.{kind}"] = torch.cat([part[kept_context] for part in state[f"{p}qkv.{kind}"].chunk(3)])
            state[f"{p}up.{kind}"] = state[f"{p}up.{kind}"][kept_units]
    return bert.of(state).to(model.words.weight.device)
