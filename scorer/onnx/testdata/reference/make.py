"""Makes the reference model and what PyTorch says of it.

A small real BERT cross-encoder with random weights, exported to ONNX, and its fp32 logits, by
`transformers`, for every pair of scorer/tokenizer/testdata/pairs.json.

    python -m venv venv && venv/bin/pip install -r ../requirements.txt && venv/bin/python make.py
"""

import hashlib
import json
import pathlib
import shutil

import numpy as np
import onnx
import onnxruntime
import torch
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

HERE = pathlib.Path(__file__).parent
MODEL = HERE / "model"
TOKENIZER = HERE.parents[2] / "tokenizer" / "testdata"


class Logits(torch.nn.Module):
    """The model with positional inputs and nothing but its logits as the output."""

    def __init__(self, bert):
        super().__init__()
        self.bert = bert

    def forward(self, input_ids, attention_mask, token_type_ids):
        return self.bert(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids).logits


def export(bert):
    ids = torch.tensor([[2, 10, 3, 11, 3], [2, 12, 3, 3, 0]])
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]])
    types = torch.tensor([[0, 0, 0, 1, 1], [0, 0, 0, 1, 0]])
    names = ["input_ids", "attention_mask", "token_type_ids"]
    batch, tokens = torch.export.Dim("batch", min=1, max=4096), torch.export.Dim("tokens", min=4, max=256)
    torch.onnx.export(Logits(bert), (ids, mask, types), str(MODEL / "model.onnx"), input_names=names, output_names=["logits"],
                      dynamic_shapes=[{0: batch, 1: tokens}] * 3, external_data=False, dynamo=True, verbose=False)
    # The exporter writes a stack trace, with paths of this machine, to every node.
    model = onnx.load(str(MODEL / "model.onnx"))
    for part in [model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer]:
        del part.metadata_props[:]
        part.doc_string = ""
    onnx.save(model, str(MODEL / "model.onnx"))


def manifest():
    names = ["model.onnx", "tokenizer.json", "tokenizer_config.json", "config.json"]
    digests = {name: hashlib.sha256((MODEL / name).read_bytes()).hexdigest() for name in names}
    (MODEL / "rerankd.json").write_text(json.dumps({
        "id": "reference-bert-2x64", "revision": "1", "licence": "Apache-2.0", "origin": "random weights, made by make.py",
        "max_tokens": 256, "precision": "fp32", "files": digests}, indent=2) + "\n")


def unroll(runs):
    return [i for i, times in runs for _ in range(times)]


def main():
    torch.manual_seed(20)
    MODEL.mkdir(exist_ok=True)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(TOKENIZER / "wordpiece" / name, MODEL / name)
    size = len(json.loads((MODEL / "tokenizer.json").read_text())["model"]["vocab"])
    # Larger weights than usual, or all pairs would get nearly the same score.
    config = BertConfig(vocab_size=size, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128,
                        max_position_embeddings=256, num_labels=1, initializer_range=0.1,
                        attn_implementation="eager")
    bert = BertForSequenceClassification(config).eval()
    bert.classifier.weight.data *= 10
    config.architectures = ["BertForSequenceClassification"]
    (MODEL / "config.json").write_text(config.to_json_string())
    export(bert)
    manifest()

    # The ids must be those that transformers makes of an ordinary pair too.
    fast = PreTrainedTokenizerFast(tokenizer_file=str(MODEL / "tokenizer.json"), pad_token="[PAD]")
    pairs = json.loads((TOKENIZER / "pairs.json").read_text())
    vectors = json.loads((TOKENIZER / "wordpiece" / "vectors.json").read_text())
    session = onnxruntime.InferenceSession(str(MODEL / "model.onnx"), providers=["CPUExecutionProvider"])
    logits, worst, compared = [], 0.0, 0
    for pair, vector in zip(pairs, vectors, strict=True):
        ids, types = unroll(vector["ids"]), unroll(vector["type_ids"])
        query, passage = pair["query"] * pair["query_repeat"], pair["passage"] * pair["passage_repeat"]
        if len(ids) < 256 and "[" not in query + passage:
            enc = fast([(query, passage)], truncation=False, padding=False, return_token_type_ids=True)
            assert enc["input_ids"][0] == ids and enc["token_type_ids"][0] == types, pair
            compared += 1
        tensors = {"input_ids": torch.tensor([ids]), "token_type_ids": torch.tensor([types]), "attention_mask": torch.ones(1, len(ids), dtype=torch.long)}
        with torch.no_grad():
            logit = bert(**tensors).logits.item()
        ort = session.run(None, {k: v.numpy() for k, v in tensors.items()})[0].item()
        worst = max(worst, abs(ort - logit))
        logits.append(logit)
    (HERE / "logits.json").write_text("[" + ",\n".join(f"{x:.7f}" for x in logits) + "]\n")
    print(len(logits), "logits from", min(logits), "to", max(logits), "std", np.std(logits))
    print("ids equal to transformers' in", compared, "pairs; ONNX Runtime differs from PyTorch by at most", worst)


if __name__ == "__main__":
    main()
