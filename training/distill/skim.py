"""Of a passage the tokens that matter most to the query: an encoder that skims reads those alone.

What an encoder takes grows with its layers and with its tokens. Taking layers away takes what they know; most tokens of a passage can be left out before the first layer with little
change to the score, if the right ones stay. Which those are is told by what is known before the first layer: how alike a token's word piece is to the query's (by the word embeddings), and its
neighbours', how early it stands, and what the word piece is worth in general. How much each of these counts is learned from a deeper model's gradients (learn). Tokens keep the positions that they had.
That tokens can be left out on the way through the layers was shown by PoWER-BERT (arXiv 2001.08950).
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

SPECIAL = 103  # the last of the word pieces that stand for no word: [PAD], unused ones, [UNK], [CLS], [SEP], [MASK]
PLACE = 12.0  # tokens: a token at this place counts half of what the first does for being early
FEATURES = 4  # of a token: alike to the query, a neighbour, a neighbour's neighbour, how early
FIRST = 1e6  # value of the query's first token: beyond any that a passage's has, and its neighbours are told apart in float32
FAINT = 1e-4  # added to gradients before their logarithm
SHRINK = 8.0  # a word piece's own worth is its mean residual × seen / (seen + SHRINK)
RIDGE = 10.0


def idf(arrays):
    """[vocabulary] BM25's inverse document frequency of each word piece over the passages of a prepared file."""
    total = len(arrays["passages_at"]) - 1
    row = np.repeat(np.arange(total, dtype=np.int64), np.diff(arrays["passages_at"]))
    pieces = np.unique(row << 16 | arrays["passages"]) & 0xFFFF
    seen = np.bincount(pieces, minlength=30522)[:30522]
    return torch.tensor(np.log(1 + (total - seen + 0.5) / (seen + 0.5)), dtype=torch.float32)


class Skim(nn.Module):
    """worth and idf: of each word piece; weights: of the features; centre: the mean of the word embeddings; most: tokens of a passage that are read. Nothing of it is trained by a loss."""

    def __init__(self, vocabulary, width):
        super().__init__()
        for name, shape in (("worth", vocabulary), ("idf", vocabulary), ("weights", FEATURES), ("centre", width)):
            self.register_buffer(name, torch.zeros(shape))
        self.register_buffer("most", torch.tensor(0.0))

    def features(self, rows, ids, types, mask):
        """[batch, length, FEATURES] of each token. rows: the word embeddings of ids."""
        passage, query = mask & (types == 1), mask & (types == 0)
        word, asked = ids > SPECIAL, int(query.sum(1).max())
        states = F.normalize(rows - self.centre, dim=2)
        similar = (states[:, :asked] @ states.transpose(1, 2)).clamp(min=0)
        weight = (self.idf[ids] * (query & word))[:, :asked, None]
        alike = ((weight * similar**2).amax(1) * (passage & word)).sqrt()
        beside = F.pad(alike, (2, 2))
        place = torch.cumsum(passage.long(), 1).float()
        return torch.stack([alike, torch.maximum(beside[:, 1:-3], beside[:, 3:-1]), torch.maximum(beside[:, :-4], beside[:, 4:]), PLACE / (PLACE + place)], 2)

    @torch.no_grad()
    def choose(self, rows, ids, types, mask):
        """The places that are read, [batch, n]: the query's, as they stand, then the passage's, the most important first, then filling; and where no filling stands. Filling at the end alone
        leaves the order in which numbers are added, and so a pair's score, as it is without."""
        passage, query = mask & (types == 1), mask & (types == 0)
        sizes = query.sum(1) + passage.sum(1).clamp(max=int(self.most))
        value = self.worth[ids] + self.features(rows, ids, types, mask) @ self.weights
        value = torch.where(query, FIRST - torch.arange(ids.shape[1], device=ids.device), torch.where(passage, value, -FIRST))
        places = value.topk(int(sizes.max()), 1).indices
        return places, torch.arange(places.shape[1], device=ids.device) < sizes[:, None]

    def learn(self, model, rarity, feeds, most):
        """Learns weights and worth from a model that reads everything: how far its logit moves when a token is attended to a little less in all layers, by feeds of (ids, types, mask).
        The logarithm of that, centred within the pair, is fit by ridge regression on the features, the rarity and one number a word piece."""
        self.idf.copy_(rarity)
        self.centre.copy_(model.words.weight.detach()[SPECIAL + 897 :].mean(0))
        self.most.fill_(most)
        xs, ys, pieces, pairs = [], [], [], 0
        for ids, types, mask in feeds:
            passage, moved = mask & (types == 1), moves(model, ids, types, mask)
            with torch.no_grad():
                x = torch.cat([self.features(model.words(ids), ids, types, mask), self.idf[ids][:, :, None]], 2)
            share = passage.float() / passage.sum(1, keepdim=True).clamp(min=1)
            y = torch.log(moved + FAINT)
            xs.append((x - (x * share[:, :, None]).sum(1, keepdim=True))[passage])
            ys.append((y - (y * share).sum(1, keepdim=True))[passage])
            pieces.append(ids[passage])
            pairs += len(ids)
        x, y, piece = torch.cat(xs).double(), torch.cat(ys).double(), torch.cat(pieces)
        seen, own = torch.bincount(piece, minlength=len(self.worth)), torch.zeros(len(self.worth), dtype=x.dtype, device=x.device)
        for _ in range(4):
            weights = torch.linalg.solve(x.T @ x + RIDGE * torch.eye(x.shape[1], dtype=x.dtype, device=x.device), x.T @ (y - own[piece]))
            own = torch.zeros_like(own).index_add(0, piece, y - x @ weights) / (seen + SHRINK)
        self.weights.copy_(weights[:FEATURES])
        self.worth.copy_(weights[FEATURES] * self.idf + own)
        return pairs, len(y)


def moves(model, ids, types, mask):
    """[batch, length] how far each pair's logit moves with the logarithm of the weight that a token has as one that is attended to, in all layers at once."""
    bias = torch.zeros(ids.shape, device=ids.device, requires_grad=True)
    model.read(model.embed(ids, types, mask)[0], bias.masked_fill(~mask, -1e9)[:, None, None, :]).sum().backward(inputs=[bias])
    return bias.grad.abs()
