"""Pairs of query and passage as batches of token ids, made on the device from flat arrays."""

import numpy as np
import torch

PAD, CLS, SEP = 0, 101, 102


class Texts:
    """The token ids of a prepared file. most: tokens of a passage and of a query that are used."""

    def __init__(self, arrays, device, passage_tokens, query_tokens=64):
        self.device = device
        self.values, self.at, self.size = {}, {}, {}
        for name, most in (("passages", passage_tokens), ("queries", query_tokens)):
            at = arrays[name + "_at"].astype(np.int64)
            self.values[name] = torch.from_numpy(arrays[name].astype(np.int32)).to(device)
            self.at[name] = torch.from_numpy(at[:-1]).to(device)
            self.size[name] = np.minimum(np.diff(at), most)
        self.device_size = {n: torch.from_numpy(s).to(device) for n, s in self.size.items()}

    def lengths(self, queries, passages):
        return self.size["queries"][queries] + self.size["passages"][passages] + 3

    def gather(self, name, rows, at):
        """The token of each row at each place, where the place is inside the text."""
        inside = (at >= 0) & (at < self.device_size[name][rows][:, None])
        flat = self.at[name][rows][:, None] + at.clamp(min=0)
        return self.values[name][flat.clamp(max=len(self.values[name]) - 1)].long(), inside

    def pairs(self, queries, passages, length):
        """[CLS] query [SEP] passage [SEP]: ids, segment types and mask, each [rows, length]."""
        queries, passages = (torch.from_numpy(x).to(self.device, non_blocking=True) for x in (queries, passages))
        at = torch.arange(length, device=self.device)[None]
        q = self.device_size["queries"][queries][:, None]
        p = self.device_size["passages"][passages][:, None]
        first, inside_first = self.gather("queries", queries, at - 1)
        second, inside_second = self.gather("passages", passages, at - q - 2)
        ids = torch.full_like(first, PAD)
        ids = torch.where(inside_first, first, ids)
        ids = torch.where(inside_second, second, ids)
        ids = torch.where(at == 0, CLS, ids)
        ids = torch.where((at == q + 1) | (at == q + p + 2), SEP, ids)
        mask = at <= q + p + 2
        return ids, ((at > q + 1) & mask).long(), mask

    def singles(self, name, rows, length, prefix=()):
        """[CLS] prefix text [SEP], for an embedding model."""
        rows = torch.from_numpy(rows).to(self.device)
        at = torch.arange(length, device=self.device)[None]
        n = self.device_size[name][rows][:, None]
        text, inside = self.gather(name, rows, at - 1 - len(prefix))
        ids = torch.where(inside, text, torch.full_like(text, PAD))
        for i, token in enumerate((CLS, *prefix)):
            ids = torch.where(at == i, token, ids)
        last = n + 1 + len(prefix)
        ids = torch.where(at == last, SEP, ids)
        return ids, torch.zeros_like(ids), at <= last


def batches(lengths, budget, step=16):
    """Indexes sorted by length and cut so that rows × padded length stay within the budget of tokens: (indexes, padded length)."""
    order = np.argsort(-lengths, kind="stable")
    at = 0
    while at < len(order):
        length = int(-(-lengths[order[at]] // step) * step)
        rows = max(1, budget // length)
        yield order[at : at + rows], length
        at += rows


def score(model, texts, queries, passages, budget, dtype):
    """Logits of the pairs, in their order, with a gradient where one is wanted. queries, passages: index arrays of equal length."""
    order, logits = [], []
    for rows, length in batches(texts.lengths(queries, passages), budget):
        order.append(rows)
        logits.append(model(*texts.pairs(queries[rows], passages[rows], length), dtype))
    place = np.empty(len(queries), np.int64)
    place[np.concatenate(order)] = np.arange(len(queries))
    return torch.cat(logits)[torch.from_numpy(place).to(texts.device)]


@torch.no_grad()
def embed(model, texts, name, rows, budget, dtype, prefix=()):
    """Normalised embeddings of the texts, in their order."""
    out = torch.empty(len(rows), 384, device=texts.device)
    for part, length in batches(texts.size[name][rows] + 2 + len(prefix), budget):
        out[torch.from_numpy(part).to(texts.device)] = torch.nn.functional.normalize(model(*texts.singles(name, rows[part], length, prefix), dtype), dim=1)
    return out
