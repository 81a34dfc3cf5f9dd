"""Stage 1: texts to token ids and lexical candidates, in one file that the later stages read without a tokenizer.

Runs on a CPU, in minutes. Of every source: passages, labelled queries, queries made by rules (rules.py), for each query a sample of BM25's best 128. Some labelled
queries are kept back as the dev mix. Test collections given with --eval are prepared beside it, with BM25's best 30 and the grades; they are measured, never trained on.
"""

import math
import random
from collections import Counter

import bm25s
import numpy as np
import Stemmer
from tokenizers import Tokenizer

from . import rules, sources, teachers
from .progress import Progress
from .sources import DEEP

WINDOW = 30  # ranks that are reordered when a model is measured
DEV_EACH = 60  # labelled queries a source kept back, at most one in ten
PASSAGE_TOKENS = 500
QUERY_TOKENS = 96


class Ragged:
    """Rows of unequal length, flat: values and offsets."""

    def __init__(self):
        self.values, self.offsets = [], [0]

    def extend(self, rows):
        for row in rows:
            self.values.append(np.asarray(row, np.uint16))
            self.offsets.append(self.offsets[-1] + len(row))

    def arrays(self, name):
        return {name: np.concatenate(self.values), name + "_at": np.asarray(self.offsets, np.int32)}


def encode(tokenizer, texts, most, size=4096):
    for at in range(0, len(texts), size):
        for encoding in tokenizer.encode_batch(texts[at : at + size], add_special_tokens=False):
            yield encoding.ids[:most]


class Lexical:
    """BM25 over one source's passages, English stems."""

    def __init__(self, texts):
        self.stemmer = Stemmer.Stemmer("english")
        self.index = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
        self.index.index(self.tokens(texts), show_progress=False)
        self.size = len(texts)

    def tokens(self, texts):
        return bm25s.tokenize(texts, stopwords="en", stemmer=self.stemmer, show_progress=False)

    def search(self, texts, count):
        """[queries, count] passage indexes, best first, and their scores; −1 and 0 where nothing matches any more."""
        count = min(count, self.size)
        found, scores = self.index.retrieve(self.tokens(texts), k=count, show_progress=False)
        return np.where(scores > 0, found, -1).astype(np.int32), scores


def sample(rng, ranked, count, excluded):
    """count of the ranked passages, the better the likelier, without those excluded."""
    pool = [int(i) for i in ranked if i >= 0 and int(i) not in excluded]
    if len(pool) <= count:
        return pool
    weights = 1.0 / (np.arange(len(pool)) + 8.0)
    return [pool[i] for i in np.sort(rng.choice(len(pool), count, replace=False, p=weights / weights.sum()))]


def rarity(texts):
    seen = Counter()
    for text in texts:
        seen.update({w.lower() for w in rules.WORD.findall(text)})
    return {w: math.log(len(texts) / n) for w, n in seen.items()}


def pad(rows, width):
    out = np.full((len(rows), width), -1, np.int32)
    for i, row in enumerate(rows):
        out[i, : len(row)] = row[:width]
    return out


def training(read, tokenizer, lexical, made, seed):
    """The training file's arrays. lexical: BM25 candidates kept of each query; made: queries by rule of each passage."""
    rng, draw = np.random.default_rng(seed), random.Random(seed)
    passages, queries = Ragged(), Ragged()
    columns = {"source": [], "labelled": [], "positive": [], "negative": [], "lexical": []}
    dev = {"dev_query": [], "dev_candidates": [], "dev_grades": [], "dev_ideal": [], "dev_source": []}
    names, source_of, base = [], [], 0
    progress = Progress("prepare", sum(len(s.queries) + made * len(s.passages) for s in read))
    for number, source in enumerate(read):
        names.append(source.name)
        passages.extend(encode(tokenizer, source.passages, PASSAGE_TOKENS))
        source_of.append(np.full(len(source.passages), number, np.uint8))
        rare = rarity(source.passages)
        every = list(source.queries)
        for at, text in enumerate(source.passages):
            every.extend(sources.Query(q, {at: 0}) for q in rules.queries(text, rare, draw, made))
        labelled = [True] * len(source.queries) + [False] * (len(every) - len(source.queries))
        with_labels = [i for i, q in enumerate(source.queries) if q.positives]
        kept_back = set(draw.sample(with_labels, min(DEV_EACH, len(with_labels) // 10)))
        search = Lexical(source.passages)
        first = len(queries.offsets) - 1
        queries.extend(encode(tokenizer, [q.text for q in every], QUERY_TOKENS))
        for at in range(0, len(every), 2048):
            part = every[at : at + 2048]
            found, _ = search.search([q.text for q in part], DEEP)
            for i, (query, ranked) in enumerate(zip(part, found), at):
                if i in kept_back:
                    dev_row(dev, first + i, query, ranked[:WINDOW] + base * (ranked[:WINDOW] >= 0), base, number)
                    continue
                positives = draw.sample(list(query.positives), min(3, len(query.positives)))
                negatives = draw.sample(query.negatives, min(4, len(query.negatives)))
                taken = set(positives) | set(negatives) | set(query.positives)
                columns["positive"].append([base + p for p in positives])
                columns["negative"].append([base + n for n in negatives])
                columns["lexical"].append([base + c for c in sample(rng, ranked, lexical, taken)])
                columns["source"].append(number)
                columns["labelled"].append((first + i, labelled[i]))
            progress.add(len(part))
        base += len(source.passages)
    progress.done()
    rows = np.asarray(columns["labelled"], np.int64)
    return {
        **passages.arrays("passages"),
        **queries.arrays("queries"),
        "passage_source": np.concatenate(source_of),
        "names": np.asarray(names),
        "query_prefix": np.asarray(tokenizer.encode(teachers.QUERY_PREFIX, add_special_tokens=False).ids, np.uint16),
        "query": rows[:, 0].astype(np.int32),
        "labelled": rows[:, 1].astype(bool),
        "source": np.asarray(columns["source"], np.uint8),
        "positive": pad(columns["positive"], 3),
        "negative": pad(columns["negative"], 4),
        "lexical": pad(columns["lexical"], lexical),
        **dev_arrays(dev, names),
    }


def dev_row(dev, number, query, ranked, base, source):
    """One query to measure: what BM25 ranked, the grades of that, and the best DCG@10 that the judgements allow."""
    grades = {base + p: g for p, g in query.positives.items()}
    best = sorted(grades.values(), reverse=True)[:10]
    dev["dev_query"].append(number)
    dev["dev_candidates"].append([int(i) for i in ranked])
    dev["dev_grades"].append([grades.get(int(i), 0) for i in ranked])
    dev["dev_ideal"].append(sum(g / math.log2(i + 2) for i, g in enumerate(best)))
    dev["dev_source"].append(source)


def dev_arrays(dev, names):
    return {
        "dev_query": np.asarray(dev["dev_query"], np.int32),
        "dev_candidates": pad(dev["dev_candidates"], WINDOW),
        "dev_grades": np.maximum(pad(dev["dev_grades"], WINDOW), 0),
        "dev_ideal": np.asarray(dev["dev_ideal"], np.float32),
        "dev_source": np.asarray(dev["dev_source"], np.uint8),
        "dev_names": np.asarray(names),
    }


def collections(folders, tokenizer):
    """The arrays of test collections: every judged query with BM25's best WINDOW."""
    passages, queries = Ragged(), Ragged()
    dev = {"dev_query": [], "dev_candidates": [], "dev_grades": [], "dev_ideal": [], "dev_source": []}
    names, base = [], 0
    for number, source in enumerate(sources.read_all(folders)):
        names.append(source.name)
        passages.extend(encode(tokenizer, source.passages, PASSAGE_TOKENS))
        first = len(queries.offsets) - 1
        queries.extend(encode(tokenizer, [q.text for q in source.queries], QUERY_TOKENS))
        found, _ = Lexical(source.passages).search([q.text for q in source.queries], WINDOW)
        for i, (query, ranked) in enumerate(zip(source.queries, found)):
            if query.positives:
                dev_row(dev, first + i, query, ranked + base * (ranked >= 0), base, number)
        base += len(source.passages)
    return {**passages.arrays("passages"), **queries.arrays("queries"), **dev_arrays(dev, names)}


def run(args):
    if not args.data:
        raise SystemExit("prepare: name the training data with --data: see README.md for its form")
    tokenizer = Tokenizer.from_file(str(args.work / teachers.TOKENIZER))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    args.work.mkdir(parents=True, exist_ok=True)
    arrays = training(sources.read_all(args.data, args.limit), tokenizer, args.lexical, args.made, args.seed)
    np.savez_compressed(args.work / "prepared.npz", **arrays)
    print(f"prepare: {len(arrays['query'])} queries, {len(arrays['passages_at']) - 1} passages, {len(arrays['dev_query'])} dev queries", flush=True)
    if args.eval:
        np.savez_compressed(args.work / "eval.npz", **collections(args.eval, tokenizer))
