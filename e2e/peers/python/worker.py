"""A library behind a pipe: scores one query with its passages for each line of JSON that comes in.

    python worker.py PEER FOLDER THREADS

First a line {"versions"}, when the model is loaded; then for each {"query", "passages"} one
{"scores", "seconds"}, in the order of the passages, timed around the library's own call alone.
"""

import importlib.metadata
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

Score = Callable[[str, list[str]], list[float]]
GRAPH = "onnx/model.onnx"


def session_options(threads: int):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return options


def sentence_transformers(folder: Path, threads: int, **arguments) -> Score:
    import torch
    from sentence_transformers import CrossEncoder

    torch.set_num_threads(threads)
    model = CrossEncoder(str(folder), device="cpu", local_files_only=True, **arguments)

    def score(query: str, passages: list[str]) -> list[float]:
        return model.predict([(query, p) for p in passages], show_progress_bar=False).tolist()

    return score


def sentence_transformers_onnx(folder: Path, threads: int) -> Score:
    own = {"file_name": GRAPH, "provider": "CPUExecutionProvider", "session_options": session_options(threads)}
    return sentence_transformers(folder, threads, backend="onnx", model_kwargs=own)


def fastembed(folder: Path, threads: int) -> Score:
    from fastembed.common.model_description import ModelSource
    from fastembed.rerank.cross_encoder import TextCrossEncoder

    TextCrossEncoder.add_custom_model(model="local", sources=ModelSource(hf="local"), model_file=GRAPH)
    model = TextCrossEncoder("local", threads=threads, specific_model_path=str(folder), local_files_only=True, providers=["CPUExecutionProvider"])
    return lambda query, passages: list(model.rerank(query, passages))


def flashrank(folder: Path, threads: int) -> Score:
    """Has no setting for threads: it takes all cores that it may use."""
    from flashrank import Ranker, RerankRequest

    model = Ranker("ms-marco-MiniLM-L-12-v2", cache_dir=str(folder.parent / "flashrank" / folder.name), max_length=512)

    def score(query: str, passages: list[str]) -> list[float]:
        ranked = model.rerank(RerankRequest(query, [{"id": i, "text": p} for i, p in enumerate(passages)]))
        scores = [0.0] * len(passages)
        for hit in ranked:
            scores[hit["id"]] = float(hit["score"])
        return scores

    return score


PEERS = {
    "sentence-transformers-torch": (sentence_transformers, ("sentence-transformers", "torch", "transformers")),
    "sentence-transformers-onnx": (sentence_transformers_onnx, ("sentence-transformers", "onnxruntime", "optimum-onnx")),
    "fastembed": (fastembed, ("fastembed", "onnxruntime")),
    "flashrank": (flashrank, ("flashrank", "onnxruntime")),
}


def main() -> None:
    peer, folder, threads = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    # Libraries print as they like: what they print goes to standard error.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    load, packages = PEERS[peer]
    score = load(folder, threads)

    def answer(value: dict) -> None:
        answers.write(json.dumps(value) + "\n")
        answers.flush()

    answer({"versions": {name: importlib.metadata.version(name) for name in packages}})
    for line in sys.stdin:
        asked = json.loads(line)
        start = time.perf_counter()
        scores = score(asked["query"], asked["passages"])
        answer({"seconds": time.perf_counter() - start, "scores": [float(s) for s in scores]})


if __name__ == "__main__":
    main()
