"""skim.Skim as nodes of the exported graph, number for number; all of it in float32, since it is little work."""

import numpy as np
from onnx import TensorProto

from .skim import FIRST, PLACE, SPECIAL


class SkimGraph:
    def __init__(self, graph, state):
        self.graph, self.state = graph, {key.removeprefix("skim."): value for key, value in state.items() if key.startswith("skim.")}
        self.words, self.positions, self.types = (state[key + ".weight"] for key in ("words", "positions", "types"))

    def c(self, value, kind=np.float32):
        """A constant; equal ones are one."""
        value = np.asarray(value, kind)
        name = f"skim.{kind.__name__}.{'_'.join(str(v) for v in value.reshape(-1))}{'' if value.ndim else '.scalar'}"
        if name not in (known.name for known in self.graph.constants):
            self.graph.constant(name, value)
        return name

    def op(self, kind, name, *inputs, **attributes):
        return self.graph.add(kind, list(inputs), "skim." + name, **attributes)

    def ints(self, *values):
        return self.c(list(values), np.int64)

    def part(self, x, name, start, end, axis=1):
        return self.op("Slice", name, x, self.ints(start), end if isinstance(end, str) else self.ints(end), self.ints(axis))

    def by_word(self, name, table):
        """[batch, length] the table's number for each token."""
        return self.op("Gather", name, self.graph.constant("skim." + name + ".table", table.astype(np.float32)), "input_ids")

    def column(self, x, name, axis=2):
        return self.op("Unsqueeze", name, x, self.ints(axis))

    def alike(self, rows, passage, query, asked):
        """[batch, length] the first feature."""
        op, c = self.op, self.c
        word = op("Greater", "word", "input_ids", c(SPECIAL, np.int64))
        centred = self.words - self.state["centre"]
        inverse = self.by_word("inverse", 1 / np.maximum(np.linalg.norm(centred, axis=1), 1e-12))
        states = op("Mul", "states", op("Sub", "centred", rows, self.graph.constant("skim.centre", self.state["centre"])), self.column(inverse, "inverse.column"))
        similar = op("Relu", "similar", op("MatMul", "similar.all", self.part(states, "asked.states", 0, asked), op("Transpose", "states.turned", states, perm=[0, 2, 1])))
        rarity = op("Mul", "rarity", self.by_word("idf", self.state["idf"]), op("Cast", "query.word", op("And", "asks", query, word), to=TensorProto.FLOAT))
        weight = self.column(self.part(rarity, "asked.rarity", 0, asked), "weight")
        best = op("ReduceMax", "best", op("Mul", "weighted", weight, op("Mul", "squared", similar, similar)), axes=[1], keepdims=0)
        told = op("Cast", "passage.word", op("And", "tells", passage, word), to=TensorProto.FLOAT)
        return op("Sqrt", "alike", op("Mul", "alike.squared", best, told))

    def sizes(self, tokens, name):
        """[batch] how many tokens of each pair are true."""
        return self.op("ReduceSum", name + ".sizes", self.op("Cast", name + ".ones", tokens, to=TensorProto.INT64), self.ints(1), keepdims=0)

    def longest(self, sizes, name):
        """[1] the greatest of the sizes."""
        return self.op("ReduceMax", name + ".longest", sizes, axes=[0], keepdims=1)

    def add(self, rows):
        """Adds Skim.choose. rows: the word embeddings. Returns what is to be added up for the tokens that are read, [batch, n, width] each, and the mask."""
        op, c = self.op, self.c
        attended, second = (op("Cast", name, x, to=TensorProto.BOOL) for name, x in (("attended", "attention_mask"), ("second", "token_type_ids")))
        passage, query = op("And", "passage", attended, second), op("And", "query", attended, op("Not", "first", second))
        asked, told = self.sizes(query, "query"), self.sizes(passage, "passage")
        alike = self.alike(rows, passage, query, self.longest(asked, "query"))
        wide = op("Pad", "alike.wide", alike, self.ints(0, 2, 0, 2), c(0))
        near = op("Max", "near", self.part(wide, "left", 1, -3), self.part(wide, "right", 3, -1))
        far = op("Max", "far", self.part(wide, "left.far", 0, -4), self.part(wide, "right.far", 4, np.iinfo(np.int64).max))
        place = op("CumSum", "place", op("Cast", "passage.floats", passage, to=TensorProto.FLOAT), c(1, np.int64))
        early = op("Div", "early", c(PLACE), op("Add", "place.on", place, c(PLACE)))
        parts = [op("Mul", f"part{i}", x, c(w)) for i, (x, w) in enumerate(zip((alike, near, far, early), self.state["weights"]))]
        value = op("Where", "value.told", passage, op("Sum", "value.all", self.by_word("worth", self.state["worth"]), *parts), c(-FIRST))
        order = op("Sub", "order", c(FIRST), op("CumSum", "order.query", op("Cast", "query.floats", query, to=TensorProto.FLOAT), c(1, np.int64)))
        sizes = op("Add", "sizes", asked, op("Min", "told", told, self.ints(int(self.state["most"]))))
        count = self.longest(sizes, "all")
        places = self.graph.add("TopK", [op("Where", "value", query, order, value), count], "skim.chosen", outputs=2, axis=1)[1]
        kept = op("GatherND", "rows", rows, self.column(places, "places"), batch_dims=1)
        types = op("Gather", "types.rows", self.graph.constant("types", self.types), op("GatherElements", "types", "token_type_ids", places, axis=1))
        counted = self.part(self.graph.constant("skim.numbers", np.arange(len(self.positions))), "counted", 0, count, axis=0)
        mask = op("Less", "mask", counted, self.column(sizes, "sizes.column", 1))
        return [kept, op("Gather", "positions", self.graph.constant("positions", self.positions), places), types], op("Cast", "mask.int", mask, to=TensorProto.INT32)
