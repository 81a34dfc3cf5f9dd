"""nDCG@10 of a model over the prepared windows of BM25, by source."""

import numpy as np
import torch

from .bert import z
from .pairs import embed, score

MEASURED_TOKENS = 440  # of a passage: with the longest query and the frame, a multiple of 16 within the model's 512


class Windows:
    """Queries to measure: the window of each, the grades in it, and the best DCG@10 that the judgements allow."""

    def __init__(self, arrays, texts):
        self.texts = texts
        self.query = arrays["dev_query"].astype(np.int64)
        self.candidates = arrays["dev_candidates"].astype(np.int64)
        self.grades = arrays["dev_grades"].astype(np.float64)
        self.ideal = arrays["dev_ideal"].astype(np.float64)
        self.source = arrays["dev_source"]
        self.names = [str(n) for n in arrays["dev_names"]]
        self.valid = self.candidates >= 0

    def flat(self):
        rows, _ = np.nonzero(self.valid)
        return self.query[rows], self.candidates[self.valid]

    def spread(self, values, device):
        out = torch.zeros(self.valid.shape, device=device)
        out[torch.from_numpy(self.valid).to(device)] = values.float()
        return out

    @torch.no_grad()
    def cross(self, model, machine, dtype):
        return self.spread(score(model, self.texts, *self.flat(), machine.budget, dtype), machine.device)

    @torch.no_grad()
    def bi(self, model, machine, dtype, prefix):
        queries, at = np.unique(self.query, return_inverse=True)
        passages, where = np.unique(self.candidates[self.valid], return_inverse=True)
        q = embed(model, self.texts, "queries", queries, machine.budget, dtype, prefix)
        p = embed(model, self.texts, "passages", passages, machine.budget, dtype)
        rows, _ = np.nonzero(self.valid)
        return self.spread((q[at[rows]] * p[where]).sum(1), machine.device)

    def both(self, cross, bi):
        valid = torch.from_numpy(self.valid).to(cross.device)
        return z(cross, valid) + z(bi, valid)

    def ndcg(self, scores=None):
        """{source: nDCG@10}; of the window's own order without scores."""
        order = np.broadcast_to(np.arange(self.valid.shape[1]), self.valid.shape)
        if scores is not None:
            order = -scores.cpu().numpy().astype(np.float64)
        ranks = np.argsort(np.where(self.valid, order, np.inf), axis=1, kind="stable")
        gains = np.take_along_axis(self.grades * self.valid, ranks, 1)[:, :10]
        each = (gains / np.log2(np.arange(2, gains.shape[1] + 2))).sum(1) / np.maximum(self.ideal, 1e-9)
        return {name: float(each[self.source == i].mean()) for i, name in enumerate(self.names) if (self.source == i).any()}


def gains(after, before):
    """Relative gains in percent by source, and their mean."""
    each = {n: 100 * (after[n] / before[n] - 1) for n in before}
    return each, sum(each.values()) / len(each)


def row(label, after, before):
    each, mean = gains(after, before)
    return f"{label:28s} {mean:+6.2f} %   " + "  ".join(f"{n} {g:+.1f}" for n, g in each.items())
