"""A BERT encoder in plain PyTorch, for teachers and students alike.

One implementation for both, so that a student starts from a teacher's own layers, and so that the same code runs in float32 on a CPU
and in half precision on a GPU. Parameters are kept in float32; the forward pass runs in the type it is told.
"""

import functools
import re

import torch
import torch.nn.functional as F
from torch import nn

from .skim import Skim

WIDTH = 384
HEAD = 32  # units of an attention head
EPS = 1e-12


class Layer(nn.Module):
    """One post-norm transformer layer; query, key and value are one matrix. seen: units of the attention, HEAD each head; inner: of the feed-forward part."""

    def __init__(self, width=WIDTH, seen=WIDTH, inner=4 * WIDTH):
        super().__init__()
        self.qkv = nn.Linear(width, 3 * seen)
        self.out = nn.Linear(seen, width)
        self.norm1 = nn.LayerNorm(width, eps=EPS)
        self.up = nn.Linear(width, inner)
        self.down = nn.Linear(inner, width)
        self.norm2 = nn.LayerNorm(width, eps=EPS)

    def forward(self, x, mask, first=False, through=None):
        """The states after the layer; of the first token alone where first is set: [batch, 1, width]. through: a function of "out" or "down" and what that matrix is given, which returns what it is given instead."""
        through = through or (lambda kind, values: values)
        context = through("out", self.context(x, mask, first))
        x = norm(self.norm1, (x[:, :1] if first else x) + linear(self.out, context))
        return norm(self.norm2, x + linear(self.down, through("down", self.units(x))))

    def context(self, x, mask, first=False):
        """What attention brings each token, or the first: [batch, length or 1, seen]."""
        seen = self.out.in_features
        if first:
            (asks, tells), (asks_bias, tells_bias) = (p.to(x.dtype).split((seen, 2 * seen)) for p in (self.qkv.weight, self.qkv.bias))
            q, (k, v) = F.linear(x[:, :1], asks, asks_bias), F.linear(x, tells, tells_bias).split(seen, 2)
        else:
            q, k, v = linear(self.qkv, x).split(seen, 2)
        return attend(*(part.unflatten(2, (-1, HEAD)).transpose(1, 2) for part in (q, k, v)), mask).transpose(1, 2).flatten(2)

    def units(self, x):
        return F.gelu(linear(self.up, x))


def attend(q, k, v, mask):
    """Attention; on a CPU in single precision, where half takes three times as long."""
    if q.device.type == "cpu":
        return F.scaled_dot_product_attention(q.float(), k.float(), v.float(), attn_mask=mask).to(q.dtype)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def linear(module, x):
    return F.linear(x, module.weight.to(x.dtype), module.bias.to(x.dtype))


def norm(module, x):
    return F.layer_norm(x, module.normalized_shape, module.weight.to(x.dtype), module.bias.to(x.dtype), module.eps)


class Encoder(nn.Module):
    """Embeddings and layers. With a head it is a cross-encoder: one logit a pair. Without one it returns the first token's state. skims: of a passage it reads the tokens that matter most alone."""

    def __init__(self, layers, head=True, vocabulary=30522, positions=512, width=WIDTH, skims=False):
        """layers: how many, or the units (seen, inner) of each."""
        super().__init__()
        self.words = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(positions, width)
        self.types = nn.Embedding(2, width)
        self.norm = nn.LayerNorm(width, eps=EPS)
        self.layers = nn.ModuleList(Layer(width, *units) for units in ([()] * layers if isinstance(layers, int) else layers))
        self.skim = Skim(vocabulary, width) if skims else None
        if head:
            self.pooler = nn.Linear(width, width)
            self.classifier = nn.Linear(width, 1)
        self.head = head

    def forward(self, ids, types, mask, dtype=torch.float32):
        """ids and types: [batch, length]; mask: [batch, length], true where a token stands. Returns [batch] logits, or [batch, width]."""
        x, mask = self.embed(ids, types, mask, dtype)
        return self.read(x, mask[:, None, None, :])

    def embed(self, ids, types, mask, dtype=torch.float32):
        """The states before the first layer, and which of them stand for a token; of all tokens, or of those that Skim.choose keeps."""
        rows, places = self.words(ids), torch.arange(ids.shape[1], device=ids.device)
        if self.skim:
            places, mask = self.skim.choose(rows, ids, types, mask)
            rows, types = rows.gather(1, places[:, :, None].expand(-1, -1, rows.shape[2])), types.gather(1, places)
        return norm(self.norm, (rows + self.positions(places) + self.types(types)).to(dtype)), mask

    def read(self, x, mask, through=None):
        """What forward returns, of the states before the first layer; mask: [batch, 1, 1, length], true where a token may be attended to, or what is added to attention's scores. through: as of
        Layer.forward, given the layer's number first."""
        for n, layer in enumerate(self.layers):
            x = layer(x, mask, n == len(self.layers) - 1, through and functools.partial(through, n))
        return self.result(x[:, 0].float())

    def result(self, first):
        """The logit of the first token's last state, or that state."""
        return linear(self.classifier, torch.tanh(linear(self.pooler, first)))[:, 0] if self.head else first

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


def depth(state):
    """How many layers the encoder of a state has."""
    return len({key.split(".")[1] for key in state if key.startswith("layers.")})


def of(state):
    """The cross-encoder whose state this is."""
    units = [(state[f"layers.{n}.out.weight"].shape[1], state[f"layers.{n}.up.weight"].shape[0]) for n in range(depth(state))]
    model = Encoder(units, skims="skim.worth" in state)
    model.load_state_dict({key: torch.as_tensor(value) for key, value in state.items()})
    return model


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
