"""Makes one small model of each architecture that cross-encoders come in, and what PyTorch says of it.

Real architectures of `transformers` with random weights, exported to ONNX, each with a tokenizer of the family that it
goes with, trained on the texts of scorer/tokenizer/testdata/pairs.py. vectors.json holds, for every pair of pairs.json, the
ids that the `tokenizers` library makes, cut by Elasticsearch's balanced rule, and the fp32 score by PyTorch.

    python -m venv venv && venv/bin/pip install -r ../requirements.txt && venv/bin/python make.py
"""

import json
import pathlib
import random
import sys

import numpy as np
import onnx
import onnxruntime
import torch
import transformers
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.matmul_nbits_quantizer import DefaultWeightOnlyQuantConfig, MatMulNBitsQuantizer
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parents[2] / "tokenizer" / "testdata"))
from make import CORPUS, balanced, bytebpe, runs, unigram, wordpiece  # noqa: E402
from pairs import LONG, OTHER, TOPICS, UNICODE, pairs  # noqa: E402

MOST = 128
SIZE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64, "initializer_range": 0.2}


def deberta():
    """DeBERTa-v2 and v3: unigram, [CLS] A [SEP] B [SEP] with type ids."""
    t = Tokenizer(models.Unigram())
    t.normalizer = normalizers.Sequence([normalizers.Strip(), normalizers.NFKC()])
    t.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]
    t.train_from_iterator(CORPUS, trainers.UnigramTrainer(vocab_size=700, special_tokens=special, unk_token="[UNK]", show_progress=False))
    t.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 1), ("[SEP]", 2)])
    return t, {"pad_token": "[PAD]"}


def modern():
    """ModernBERT: byte-level BPE after NFC, [CLS] A [SEP] B [SEP] without type ids."""
    t = Tokenizer(models.BPE())
    t.normalizer = normalizers.NFC()
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"]
    trainer = trainers.BpeTrainer(vocab_size=700, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    t.train_from_iterator(CORPUS, trainer)
    t.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 0), ("[SEP]", 2)])
    return t, {"pad_token": "[PAD]"}


# name: tokenizer, class prefix, padding id, does the model read type ids, further configuration
ARCHITECTURES = {
    "bert": (wordpiece, "Bert", 0, True, {}),
    "bert-two-logits": (wordpiece, "Bert", 0, True, {"num_labels": 2}),
    "bert-sigmoid": (wordpiece, "Bert", 0, True, {"head": "sigmoid"}),
    "bert-softmax": (wordpiece, "Bert", 0, True, {"num_labels": 2, "head": "softmax"}),
    "electra": (wordpiece, "Electra", 0, True, {"embedding_size": 16}),
    "roberta": (bytebpe, "Roberta", 1, False, {"type_vocab_size": 1, "max_position_embeddings": MOST + 2, "bos_token_id": 0, "eos_token_id": 2}),
    "xlm-roberta": (unigram, "XLMRoberta", 1, False, {"type_vocab_size": 1, "max_position_embeddings": MOST + 2, "bos_token_id": 0, "eos_token_id": 2}),
    "deberta-v2": (deberta, "DebertaV2", 0, True, {"type_vocab_size": 2, "relative_attention": True, "position_biased_input": True, "pos_att_type": ["p2c", "c2p"], "max_relative_positions": -1, "conv_kernel_size": 3, "conv_act": "gelu"}),
    "deberta-v3": (deberta, "DebertaV2", 0, False, {"type_vocab_size": 0, "relative_attention": True, "position_biased_input": False, "pos_att_type": ["p2c", "c2p"], "position_buckets": 32, "max_relative_positions": -1, "share_att_key": True, "norm_rel_ebd": "layer_norm"}),
    "modernbert": (modern, "ModernBert", 1, False, {"global_attn_every_n_layers": 2, "local_attention": 32, "bos_token_id": 0, "cls_token_id": 0, "eos_token_id": 2, "sep_token_id": 2, "classifier_pooling": "cls"}),
}


class Head(torch.nn.Module):
    """The model with positional inputs, nothing but its scores as the output, and the head that exporters put on it."""

    def __init__(self, model, typed, head):
        super().__init__()
        self.model, self.typed, self.head = model, typed, head

    def forward(self, input_ids, attention_mask, token_type_ids=None):
        extra = {"token_type_ids": token_type_ids} if self.typed else {}
        logits = self.model(input_ids=input_ids, attention_mask=attention_mask, **extra).logits
        if self.head == "sigmoid":
            return torch.sigmoid(logits)
        return torch.softmax(logits, -1) if self.head == "softmax" else logits


def all_pairs():
    """Those of pairs.py and more mixtures, of all scripts and special tokens: over 300."""
    out, rng = pairs(), random.Random(11)
    words = " ".join(q + " " + p for q, p in TOPICS).split() + UNICODE + OTHER + ["[SEP]", "</s>", "<mask>", "😀", "日本", "[CLS]"]
    for n in range(80):
        out.append({"query": " ".join(rng.choices(words, k=rng.randint(0, 12))), "passage": " ".join(rng.choices(words, k=rng.randint(0, 90))),
                    "query_repeat": 1, "passage_repeat": 1})
    out.append({"query": "ten thousand words", "passage": "the tide rises ", "query_repeat": 1, "passage_repeat": 3334})
    return out


def encode(t, pair, most=MOST):
    query = (pair["query"] * pair["query_repeat"]).replace("\0", "")
    passage = (pair["passage"] * pair["passage_repeat"]).replace("\0", "")
    a, b = t.encode(query, add_special_tokens=False), t.encode(passage, add_special_tokens=False)
    kept_a, kept_b = balanced(len(a.ids), len(b.ids), t.num_special_tokens_to_add(is_pair=True), most)
    if (kept_a, kept_b) == (len(a.ids), len(b.ids)):
        return t.encode(query, passage)
    a.truncate(kept_a)
    b.truncate(kept_b)
    return t.post_process(a, b)


def export(model, typed, path):
    ids = torch.tensor([[0, 10, 2, 11, 2, 12], [0, 12, 2, 2, 1, 1]])
    mask = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]])
    types = torch.tensor([[0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 0, 0]])
    names = ["input_ids", "attention_mask", "token_type_ids"][: 3 if typed else 2]
    args = (ids, mask, types)[: len(names)]
    batch, tokens = torch.export.Dim("batch", min=1, max=4096), torch.export.Dim("tokens", min=4, max=MOST)
    torch.onnx.export(model, args, str(path), input_names=names, output_names=["logits"],
                      dynamic_shapes=[{0: batch, 1: tokens}] * len(names), external_data=False, dynamo=True, verbose=False)
    clean(path)


def clean(path):
    """The exporter writes a stack trace, with paths of this machine, to every node."""
    model = onnx.load(str(path))
    graphs = [model.graph, *model.functions]
    for part in [model, *graphs, *[n for g in graphs for n in g.node], *model.graph.input, *model.graph.output, *model.graph.initializer]:
        del part.metadata_props[:]
        part.doc_string = ""
    del model.graph.value_info[:]  # shapes inside, some of which the quantiser does not agree with
    onnx.save(model, str(path))


def score(logits):
    """The raw logit: of two, the log odds of the second class, which is the relevant one."""
    return float(logits[0, -1] - logits[0, 0]) if logits.shape[1] == 2 else float(logits[0, 0])


def build(name):
    make, prefix, pad, typed, more = ARCHITECTURES[name]
    more = dict(more)
    head = more.pop("head", "")
    torch.manual_seed(20)
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    t, token_config = make()
    # A model's own files say how long a pair may be, some in one place, some in the other.
    if name in ("bert", "modernbert", "deberta-v3"):
        token_config["model_max_length"] = MOST
    else:
        token_config.pop("model_max_length", None)
    config = getattr(transformers, prefix + "Config")(**{
        "vocab_size": t.get_vocab_size(), "max_position_embeddings": MOST, "num_labels": 1, "pad_token_id": pad,
        "attn_implementation": "eager", **SIZE, **more})
    net = getattr(transformers, prefix + "ForSequenceClassification")(config).eval()
    for parameter in net.classifier.parameters() if hasattr(net.classifier, "parameters") else []:
        parameter.data *= 3
    config.architectures = [type(net).__name__]
    (folder / "config.json").write_text(config.to_json_string())
    t = Tokenizer.from_str(t.to_str())  # as it will be read: trained scores may still be ties
    t.encode_special_tokens = True
    export(Head(net, typed, head), typed, folder / "model.onnx")
    (folder / "tokenizer_config.json").write_text(json.dumps(token_config) + "\n")

    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    vectors, worst = [], 0.0
    for pair in all_pairs():
        encoded = encode(t, pair)
        tensors = {"input_ids": torch.tensor([encoded.ids]), "attention_mask": torch.ones(1, len(encoded.ids), dtype=torch.long)}
        if typed:
            tensors["token_type_ids"] = torch.tensor([encoded.type_ids])
        with torch.no_grad():
            logits = net(**tensors).logits
        raw = session.run(None, {k: v.numpy() for k, v in tensors.items()})[0]
        if not head:
            worst = max(worst, abs(score(raw) - score(logits)))
        vectors.append({"ids": runs(encoded.ids), "types": runs(encoded.type_ids) if typed else [], "logit": round(score(logits), 6)})
    t.encode_special_tokens = False
    if "model_max_length" in token_config:
        t.enable_truncation(max_length=64)  # of a use that the files were saved from: no limit of the model
    elif name == "electra":
        t.enable_truncation(max_length=MOST)
    t.enable_padding(length=96, pad_id=pad)
    t.save(str(folder / "tokenizer.json"), pretty=False)
    (folder / "vectors.json").write_text(json.dumps(vectors, separators=(",", ":")).replace("},{", "},\n{") + "\n")
    scores = [v["logit"] for v in vectors]
    print(f"{name}: {len(vectors)} pairs, logits {min(scores):.2f} to {max(scores):.2f}, std {np.std(scores):.2f}, ONNX Runtime differs by {worst:.1e},",
          (folder / "model.onnx").stat().st_size, "bytes")


def forms():
    """The BERT once more, in the forms that weights are shipped in."""
    source = HERE / "bert" / "model.onnx"
    quantize_dynamic(str(source), str(HERE / "bert" / "int8.onnx"), weight_type=QuantType.QInt8, per_channel=True, reduce_range=True)
    nbits = MatMulNBitsQuantizer(onnx.load(str(source)), algo_config=DefaultWeightOnlyQuantConfig(block_size=32, is_symmetric=True, accuracy_level=4, bits=8))
    nbits.process()
    nbits.model.save_model_to_file(str(HERE / "bert" / "nbits.onnx"))
    half = half_precision(onnx.load(str(source)))
    onnx.save(half, str(HERE / "bert" / "fp16.onnx"))
    for name in ("int8", "nbits", "fp16"):
        clean(HERE / "bert" / f"{name}.onnx")


def half_precision(model):
    from onnxruntime.transformers.float16 import convert_float_to_float16
    return convert_float_to_float16(model, keep_io_types=False)


def main():
    (HERE / "pairs.json").write_text(json.dumps(all_pairs(), ensure_ascii=False, separators=(",", ":")).replace("},{", "},\n{") + "\n")
    names = sys.argv[1:] or list(ARCHITECTURES)
    for name in names:
        build(name)
    if "bert" in names:
        forms()


if __name__ == "__main__":
    main()
