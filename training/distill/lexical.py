"""What query and passage have in common, computed beside the encoder and given to it.

An encoder of two layers has no depth left to find out which words the two texts share, and hardly any to find out which are alike; deeper ones spend their middle layers on that
(arXiv 2502.04645). So here it is computed: equal word pieces mark the tokens before the first layer; how alike the states of a query's and a passage's tokens are after it is added to
the query's tokens, and what all of that comes to for a pair stands beside the first token's state in the head.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

QUERY = 66  # of a pair, so many tokens from the first on can be the query's; a longer query's rest is compared with nothing
SPECIAL = 103  # the last of the word pieces that stand for no word: [PAD], unused ones, [UNK], [CLS], [SEP], [MASK]
MARKS = 6  # nothing; a passage's token that the query has, with a neighbour of it; a query's token that the passage lacks, has, has with a neighbour
ALIKE = 64  # units of the space in which states are compared
KERNELS, VARIANCE = (0.9, 0.6), 0.01  # similarities around which matches are counted softly, as K-NRM does (arXiv 1706.06613)
MEASURES = 12  # numbers of a pair that the head is given
B, MEAN_LENGTH = 0.75, 120  # BM25's length normalisation


def idf(arrays):
    """[vocabulary] BM25's inverse document frequency of each word piece over the passages of a prepared file."""
    total = len(arrays["passages_at"]) - 1
    row = np.repeat(np.arange(total, dtype=np.int64), np.diff(arrays["passages_at"]))
    pieces = np.unique(row << 16 | arrays["passages"]) & 0xFFFF
    seen = np.bincount(pieces, minlength=30522)[:30522]
    return torch.tensor(np.log(1 + (total - seen + 0.5) / (seen + 0.5)), dtype=torch.float32)


def log_counts(similar):
    """[…, kernels] the logarithm of how many of the last axis lie around each kernel's similarity."""
    return torch.stack([torch.log1p(torch.exp(-((similar - k) ** 2) / (2 * VARIANCE)).sum(-1)) for k in KERNELS], -1)


class Lexical(nn.Module):
    def __init__(self, vocabulary, width):
        super().__init__()
        self.marks = nn.Embedding(MARKS, width)
        self.saturation = nn.Parameter(torch.tensor(0.5))  # BM25's k1, before softplus
        self.project = nn.Linear(width, ALIKE, bias=False)
        self.gate = nn.Linear(width, 1)
        self.back = nn.Linear(1 + len(KERNELS), width, bias=False)
        self.pooled = nn.Linear(MEASURES, width, bias=False)
        self.direct = nn.Linear(MEASURES, 1, bias=False)
        self.register_buffer("idf", torch.zeros(vocabulary))

    @torch.no_grad()
    def begin(self, words, idf):
        """Start values: the head is near BM25, states are compared by the main directions of the word embeddings, and nothing is added to a token."""
        self.idf.copy_(idf)
        self.marks.weight.normal_(0, 0.02)
        for weight in (self.back.weight, self.gate.weight, self.pooled.weight, self.direct.weight):
            weight.zero_()
        self.direct.weight[0, [0, 1, 6]] = torch.tensor([0.5, 2.0, 1.0])
        some = words[SPECIAL + 897 :][torch.randperm(len(words) - SPECIAL - 897)[:8000]]
        self.project.weight.copy_(torch.linalg.svd(some - some.mean(0), full_matrices=False)[2][:ALIKE])

    def compare(self, ids, types, mask):
        """Of [batch, length] tokens: the mark of each, the first six measures of each pair, and what after_first needs."""
        word = mask & (ids > SPECIAL)
        passage, query = word & (types == 1), (word & (types == 0))[:, :QUERY]
        asked, given = torch.where(query, ids[:, :QUERY], -1), torch.where(passage, ids, -2)
        equal = asked[:, :, None] == given[:, None, :]
        before = F.pad(asked, (1, 0), value=-1)[:, :-1, None] == F.pad(given, (1, 0), value=-2)[:, None, :-1]
        after = F.pad(asked, (0, 1), value=-1)[:, 1:, None] == F.pad(given, (0, 1), value=-2)[:, None, 1:]
        beside = equal & (before | after)
        found, near = equal.any(2), beside.any(2)
        marks = (equal.any(1).long() + beside.any(1).long()) + F.pad((3 + found.long() + near.long()) * query, (0, ids.shape[1] - query.shape[1]))

        weight, count, length = self.idf[ids[:, :QUERY]] * query, equal.sum(2), passage.sum(1).float()
        k1 = F.softplus(self.saturation) * (1 - B + B * length[:, None] / MEAN_LENGTH)
        total = weight.sum(1) + 1e-3
        bm25, covered = (weight * count / (count + k1)).sum(1), (weight * found).sum(1)
        phrases = ((weight + F.pad(weight, (0, 1))[:, 1:]) * (equal & after).any(2)).sum(1)
        measures = [bm25 / 10, bm25 / total, covered / total, phrases / 10, phrases / (2 * total), torch.log(length + 1) - 4.5]
        return marks, torch.stack(measures, 1), (passage, query, ids[:, :QUERY])

    def after_first(self, x, compared):
        """The states with what is alike added to the query's, and the last six measures."""
        passage, query, ids = compared
        states = F.normalize(F.linear(x.float(), self.project.weight), dim=2)
        similar = (states[:, :QUERY] @ states.transpose(1, 2)).masked_fill(~passage[:, None, :], -1.0)
        alike = torch.cat([similar.amax(2, keepdim=True), log_counts(similar)], 2)
        weight = F.softplus(self.gate(x[:, :QUERY].float())[:, :, 0] + 0.3 * self.idf[ids]) * query
        sums = (weight[:, :, None] * alike).sum(1)
        measures = torch.cat([sums / (weight.sum(1, keepdim=True) + 1e-3), sums / 20], 1)
        added = (self.back(alike) * query[:, :, None]).to(x.dtype)
        return torch.cat([x[:, :QUERY] + added, x[:, QUERY:]], 1), measures
