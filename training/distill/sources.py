"""Training sources and test collections, from files.

Two layouts are read, each file also as .gz:
  passages.jsonl {"_id","text"} and queries.jsonl {"_id","text","positives":[ids],"negatives":[ids]}
  corpus.jsonl {"_id","title","text"}, queries.jsonl {"_id","text"} and qrels.tsv (query-id, corpus-id, score): a BEIR folder
A click log is the BEIR folder with the clicks of a document for a query as its score.
"""

import gzip
import json
import pathlib
from dataclasses import dataclass, field

DEEP = 128  # ranks of a retriever that candidates are sampled from


@dataclass
class Query:
    text: str
    positives: dict = field(default_factory=dict)  # passage index → grade
    negatives: list = field(default_factory=list)  # passage indexes judged not relevant


@dataclass
class Source:
    name: str
    passages: list  # texts
    queries: list


def path_of(folder, name):
    for candidate in (folder / name, folder / (name + ".gz")):
        if candidate.exists():
            return candidate
    return None


def lines(path):
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        yield from (line for line in file if line.strip())


def records(path):
    return (json.loads(line) for line in lines(path))


def read(folder):
    """One source. A query without a positive stays: teachers need no labels."""
    folder = pathlib.Path(folder)
    passages = path_of(folder, "passages.jsonl")
    corpus = path_of(folder, "corpus.jsonl")
    queries = path_of(folder, "queries.jsonl")
    if queries is None or (passages is None and corpus is None):
        raise SystemExit(f"{folder}: want queries.jsonl and passages.jsonl or corpus.jsonl (also as .gz)")
    index, texts = {}, []
    for record in records(passages or corpus):
        index[record["_id"]] = len(texts)
        texts.append(". ".join(part for part in (record.get("title", ""), record["text"]) if part))
    found = {}
    for record in records(queries):
        found[record["_id"]] = Query(
            " ".join(record["text"].split()),
            {index[i]: 1 for i in record.get("positives", ()) if i in index},
            [index[i] for i in record.get("negatives", ()) if i in index],
        )
    for name in ("qrels.tsv", "qrels-zero.tsv"):
        qrels = path_of(folder, name)
        if qrels is None:
            continue
        for line in lines(qrels):
            query, document, grade = line.rstrip("\n").split("\t")
            if query not in found or document not in index:
                continue
            if int(grade) > 0:
                found[query].positives[index[document]] = int(grade)
            else:
                found[query].negatives.append(index[document])
    return Source(folder.name, texts, list(found.values()))


def first(source, limit):
    """The source with its first limit passages, and the queries that still have a positive there."""
    keep = [
        Query(q.text, {p: g for p, g in q.positives.items() if p < limit}, [n for n in q.negatives if n < limit])
        for q in source.queries
        if any(p < limit for p in q.positives)
    ]
    return Source(source.name, source.passages[:limit], keep)


def read_all(folders, limit=0):
    """Every source below the folders, or the folder itself where it is one; in the order of their names. limit: passages of each, 0 for all."""
    out = []
    for folder in map(pathlib.Path, folders):
        if path_of(folder, "queries.jsonl"):
            out.append(read(folder))
            continue
        below = [child for child in sorted(folder.iterdir()) if child.is_dir() and path_of(child, "queries.jsonl")]
        if not below:
            raise SystemExit(f"{folder}: no source here, nor in a folder below")
        out.extend(map(read, below))
    return [first(source, limit) for source in out] if limit else out
