"""lexical.Lexical as nodes of the exported graph, number for number; all of it in float32, since it is little work."""

import numpy as np
from onnx import TensorProto

from .lexical import B, KERNELS, MEAN_LENGTH, QUERY, SPECIAL, VARIANCE

NOWHERE = np.iinfo(np.int64).max


class LexicalGraph:
    def __init__(self, graph, state):
        self.graph = graph
        self.weights = {key.removeprefix("lexical."): value for key, value in state.items() if key.startswith("lexical.")}

    def c(self, value, kind=np.float32):
        """A constant; equal ones are one."""
        value = np.asarray(value, kind)
        name = f"lexical.{kind.__name__}.{'_'.join(str(v) for v in value.reshape(-1))}{'' if value.ndim else '.scalar'}"
        if name not in (known.name for known in self.graph.constants):
            self.graph.constant(name, value)
        return name

    def weight(self, name, value=None):
        return self.graph.constant("lexical." + name, self.weights[name] if value is None else value)

    def op(self, kind, name, *inputs, **attributes):
        return self.graph.add(kind, list(inputs), "lexical." + name, **attributes)

    def axes(self, *axes):
        return self.c(list(axes), np.int64)

    def rows(self, x, name, start, end):
        """x[:, start:end]"""
        return self.op("Slice", name, x, self.axes(start), self.axes(end), self.axes(1))

    def shifted(self, x, name, by, fill):
        """x[:, i − by], and fill where that is outside."""
        pads, part = ((0, 1, 0, 0), (0, -1)) if by > 0 else ((0, 0, 0, 1), (1, NOWHERE))
        return self.rows(self.op("Pad", name + ".padded", x, self.axes(*pads), self.c(fill, np.int64)), name, *part)

    def floats(self, x, name):
        return self.op("Cast", name + ".float", x, to=TensorProto.FLOAT)

    def total(self, x, name, axis, keep=0):
        return self.op("ReduceSum", name, x, self.axes(axis), keepdims=keep)

    def most(self, x, name, axis, keep=0):
        return self.op("ReduceMax", name, x, axes=[axis], keepdims=keep)

    def across(self, queries, passages, name):
        """[batch, query, length]: where they are equal."""
        return self.op("Equal", name, self.op("Unsqueeze", name + ".asked", queries, self.axes(2)), self.op("Unsqueeze", name + ".given", passages, self.axes(1)))

    def compare(self):
        """Adds Lexical.compare; returns what is to be added to the embeddings."""
        op, c = self.op, self.c
        word = op("And", "word", op("Greater", "piece", "input_ids", c(SPECIAL, np.int64)), op("Cast", "attended", "attention_mask", to=TensorProto.BOOL))
        second = op("Cast", "second", "token_type_ids", to=TensorProto.BOOL)
        passage = op("And", "passage", word, second)
        query = self.rows(op("And", "query.all", word, op("Not", "first", second)), "query", 0, QUERY)
        ids = self.rows("input_ids", "query.ids", 0, QUERY)
        asked = op("Where", "asked", query, ids, c(-1, np.int64))
        given = op("Where", "given", passage, "input_ids", c(-2, np.int64))
        equal = self.across(asked, given, "equal")
        before = self.across(self.shifted(asked, "asked.before", 1, -1), self.shifted(given, "given.before", 1, -2), "before")
        after = self.across(self.shifted(asked, "asked.after", -1, -1), self.shifted(given, "given.after", -1, -2), "after")
        same = self.floats(equal, "same")
        beside = self.floats(op("And", "beside", equal, op("Or", "neighbours", before, after)), "beside")
        phrase = self.floats(op("And", "phrase", equal, after), "phrase")
        self.query, self.passage = self.floats(query, "query"), passage
        count = self.total(same, "count", 2)
        found, near = self.most(same, "found", 2), self.most(beside, "near", 2)

        asks = op("Mul", "query.marks", op("Sum", "query.sum", found, near, c(3)), self.query)
        tells = op("Add", "passage.marks", self.most(same, "has", 1), self.most(beside, "has.near", 1))
        marks = op("Concat", "marks.all", op("Add", "marks.first", self.rows(tells, "tells.first", 0, QUERY), asks), self.rows(tells, "tells.rest", QUERY, NOWHERE), axis=1)
        added = op("Gather", "marked", self.weight("marks.weight"), op("Cast", "marks", marks, to=TensorProto.INT64))

        self.idf = op("Gather", "rarity", self.weight("idf"), ids)
        weight = op("Mul", "weight", self.idf, self.query)
        length = self.total(self.floats(passage, "passage"), "length", 1, keep=1)
        k1 = float(np.logaddexp(0, self.weights["saturation"]))
        norm = op("Add", "norm", op("Mul", "norm.length", length, c(k1 * B / MEAN_LENGTH)), c(k1 * (1 - B)))
        saturated = op("Div", "saturated", count, op("Add", "saturating", count, norm))
        total = op("Add", "total", self.total(weight, "weights", 1, keep=1), c(1e-3))
        bm25 = self.total(op("Mul", "bm25.each", weight, saturated), "bm25", 1, keep=1)
        covered = self.total(op("Mul", "covered.each", weight, found), "covered", 1, keep=1)
        next_ = self.rows(op("Pad", "weight.padded", weight, self.axes(0, 0, 0, 1)), "weight.next", 1, NOWHERE)
        phrases = self.total(op("Mul", "phrases.each", op("Add", "phrases.weight", weight, next_), self.most(phrase, "phrase.any", 2)), "phrases", 1, keep=1)
        shares = [op("Div", f"{name}.share", x, total) for name, x in (("bm25", bm25), ("covered", covered), ("phrases", phrases))]
        self.measures = [
            op("Mul", "bm25.tenth", bm25, c(0.1)), *shares[:2], op("Mul", "phrases.tenth", phrases, c(0.1)), op("Mul", "phrases.half", shares[2], c(0.5)),
            op("Sub", "length.log.centred", op("Log", "length.log", op("Add", "length.one", length, c(1))), c(4.5)),
        ]  # fmt: skip
        return added

    def after_first(self, x):
        """Adds Lexical.after_first; returns the states."""
        op, c = self.op, self.c
        states = op("MatMul", "states.long", x, self.weight("project.weight", self.weights["project.weight"].T))
        states = op("Div", "states", states, op("Max", "states.norm", op("ReduceL2", "states.l2", states, axes=[2], keepdims=1), c(1e-12)))
        similar = op("MatMul", "similar.all", self.rows(states, "states.query", 0, QUERY), op("Transpose", "states.turned", states, perm=[0, 2, 1]))
        similar = op("Where", "similar", op("Unsqueeze", "passage.across", self.passage, self.axes(1)), similar, c(-1))
        counts = []
        for kernel in KERNELS:
            away = op("Sub", f"kernel{kernel}.away", similar, c(kernel))
            near = op("Exp", f"kernel{kernel}", op("Mul", f"kernel{kernel}.exponent", op("Mul", f"kernel{kernel}.square", away, away), c(-1 / (2 * VARIANCE))))
            counts.append(op("Log", f"kernel{kernel}.log", op("Add", f"kernel{kernel}.one", self.total(near, f"kernel{kernel}.count", 2, keep=1), c(1))))
        alike = op("Concat", "alike", self.most(similar, "alike.most", 2, keep=1), *counts, axis=2)
        first = self.rows(x, "x.query", 0, QUERY)
        gate = op("Add", "gate", op("MatMul", "gate.product", first, self.weight("gate.weight", self.weights["gate.weight"].T)), self.weight("gate.bias"))
        rarity = op("Unsqueeze", "rarity.column", op("Mul", "rarity.part", self.idf, c(0.3)), self.axes(2))
        query = op("Unsqueeze", "query.column", self.query, self.axes(2))
        weight = op("Mul", "alike.weight", op("Softplus", "gate.positive", op("Add", "gate.rarity", gate, rarity)), query)
        sums = self.total(op("Mul", "alike.weighted", alike, weight), "alike.sum", 1)
        total = op("Add", "alike.total", self.total(weight, "alike.weights", 1), c(1e-3))
        measures = op("Concat", "measures", *self.measures, op("Div", "alike.mean", sums, total), op("Mul", "alike.part", sums, c(0.05)), axis=1)
        self.pooled = op("MatMul", "pooled", measures, self.weight("pooled.weight", self.weights["pooled.weight"].T))
        self.direct = op("MatMul", "direct", measures, self.weight("direct.weight", self.weights["direct.weight"].T))
        back = op("Mul", "added", op("MatMul", "added.all", alike, self.weight("back.weight", self.weights["back.weight"].T)), query)
        return op("Concat", "told", op("Add", "told.query", first, back), self.rows(x, "x.rest", QUERY, NOWHERE), axis=1)
