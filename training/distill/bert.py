"""A BERT encoder in plain PyTorch, for teachers and students alike.

One implementation for both, so that a student starts from a teacher's own layers, and so that the same code runs in float32 on a CPU
and in half precision on a GPU. Parameters are kept in float32; the forward pass runs in the type it is told.
"""

import re

import torch
import torch.nn.functional as F
from torch import nn

HEADS = 12
WIDTH = 384
EPS = 1e-12


class Layer(nn.Module):
    """One post-norm transformer layer; query, key and value are one matrix."""

    def __init__(self, width=WIDTH, inner=4 * WIDTH):
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm1 = nn.LayerNorm(width, eps=EPS)
        self.up = nn.Linear(width, inner)
        self.down = nn.Linear(inner, width)
        self.norm2 = nn.LayerNorm(width, eps=EPS)

    def forward(self, x, mask):
        batch, length, width = x.shape
        q, k, v = linear(self.qkv, x).view(batch, length, 3, HEADS, width // HEADS).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = norm(self.norm1, x + linear(self.out, seen.transpose(1, 2).reshape(batch, length, width)))
        return norm(self.norm2, x + linear(self.down, F.gelu(linear(self.up, x))))


def linear(module, x):
    return F.linear(x, module.weight.to(x.dtype), module.bias.to(x.dtype))


def norm(module, x):
    return F.layer_norm(x, module.normalized_shape, module.weight.to(x.dtype), module.bias.to(x.dtype), module.eps)


class Encoder(nn.Module):
    """Embeddings and layers. With a head it is a cross-encoder: one logit a pair. Without one it returns the first token's state."""

    def __init__(self, layers, head=True, vocabulary=30522, positions=512, width=WIDTH):
        super().__init__()
        self.words = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(positions, width)
        self.types = nn.Embedding(2, width)
        self.norm = nn.LayerNorm(width, eps=EPS)
        self.layers = nn.ModuleList(Layer(width) for _ in range(layers))
        if head:
            self.pooler = nn.Linear(width, width)
            self.classifier = nn.Linear(width, 1)
        self.head = head

    def forward(self, ids, types, mask, dtype=torch.float32):
        """ids and types: [batch, length]; mask: [batch, length], true where a token stands. Returns [batch] logits, or [batch, width]."""
        x = self.words(ids) + self.positions.weight[: ids.shape[1]] + self.types(types)
        x = norm(self.norm, x.to(dtype))
        mask = mask[:, None, None, :]
        for layer in self.layers:
            x = layer(x, mask)
        first = x[:, 0]
        if not self.head:
            return first.float()
        return linear(self.classifier, torch.tanh(linear(self.pooler, first.float())))[:, 0]

    def trainable(self, words):
        """The parameters to train: all, or all but the word embeddings, which then stay the teacher's for words that training never meets."""
        self.words.weight.requires_grad_(words)
        return [p for p in self.parameters() if p.requires_grad]


# What each parameter is called in an export of the transformers library.
NAMES = [
    (r"embeddings\.word_embeddings\.weight", "words.weight"),
    (r"embeddings\.position_embeddings\.weight", "positions.weight"),
    (r"embeddings\.token_type_embeddings\.weight", "types.weight"),
    (r"embeddings\.LayerNorm\.(\w+)", r"norm.\1"),
    (r"encoder\.layer\.(\d+)\.attention\.output\.dense\.(\w+)", r"layers.\1.out.\2"),
    (r"encoder\.layer\.(\d+)\.attention\.output\.LayerNorm\.(\w+)", r"layers.\1.norm1.\2"),
    (r"encoder\.layer\.(\d+)\.intermediate\.dense\.(\w+)", r"layers.\1.up.\2"),
    (r"encoder\.layer\.(\d+)\.output\.dense\.(\w+)", r"layers.\1.down.\2"),
    (r"encoder\.layer\.(\d+)\.output\.LayerNorm\.(\w+)", r"layers.\1.norm2.\2"),
    (r"pooler\.dense\.(\w+)", r"pooler.\1"),
    (r"classifier\.(\w+)", r"classifier.\1"),
]


def from_export(weights):
    """The state of an Encoder from an export's names ("encoder.layer.0.attention.self.query.weight", …) and arrays."""
    state = {}
    for name, value in weights.items():
        name = name.removeprefix("bert.")
        for pattern, ours in NAMES:
            if re.fullmatch(pattern, name):
                state[re.sub(pattern, ours, name)] = torch.as_tensor(value)
    for n in {int(m[1]) for m in (re.match(r"layers\.(\d+)\.", k) for k in state) if m}:
        for kind in ("weight", "bias"):
            parts = []
            for part in ("query", "key", "value"):
                match = [v for k, v in weights.items() if k.endswith(f"encoder.layer.{n}.attention.self.{part}.{kind}")]
                parts.append(torch.as_tensor(match[0]))
            state[f"layers.{n}.qkv.{kind}"] = torch.cat(parts)
    return state


def keep_layers(state, kept):
    """The state with the layers named, in their order, and nothing of the others."""
    out = {k: v for k, v in state.items() if not k.startswith("layers.")}
    for new, old in enumerate(kept):
        for k, v in state.items():
            if k.startswith(f"layers.{old}."):
                out[f"layers.{new}." + k.split(".", 2)[2]] = v.clone()
    return out


def z(scores, valid):
    """Scores of each row with mean 0 and deviation 1 over its valid places."""
    n = valid.sum(1, keepdim=True).clamp(min=1)
    mean = (scores * valid).sum(1, keepdim=True) / n
    var = ((scores - mean) ** 2 * valid).sum(1, keepdim=True) / n
    return (scores - mean) / (var.sqrt() + 1e-4) * valid
