"""Makes the tokenizers and the vectors of this folder.

Trains one small tokenizer of each family on the texts of pairs.py and records what the
`tokenizers` library itself makes of every pair: the ids and type ids, cut by Elasticsearch's balanced rule.

    python -m venv venv && venv/bin/pip install -r requirements.txt && venv/bin/python make.py
"""

import json
import pathlib

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from pairs import OTHER, TOPICS, UNICODE, pairs

HERE = pathlib.Path(__file__).parent
MAX_TOKENS = 256
CORPUS = [t for pair in TOPICS for t in pair] + UNICODE + OTHER


def wordpiece():
    """BERT: lower-cased WordPiece, [CLS] A [SEP] B [SEP] with type ids."""
    t = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
    t.normalizer = normalizers.BertNormalizer(lowercase=True)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    t.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=900, special_tokens=special, show_progress=False))
    t.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    t.decoder = decoders.WordPiece()
    return t, {"model_max_length": 256, "pad_token": "[PAD]"}


def bytebpe():
    """RoBERTa: byte-level BPE, <s> A </s></s> B </s>, padding id 1, framed by a Sequence of processors."""
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.BpeTrainer(vocab_size=700, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    t.train_from_iterator(CORPUS, trainer)
    t.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False), processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)])
    return t, {"model_max_length": 1000000000000000019884624838656, "pad_token": {"content": "<pad>", "special": True}}


def unigram():
    """XLM-R: unigram over word starts. Its special tokens are pieces like all others."""
    t = Tokenizer(models.Unigram())
    t.normalizer = normalizers.NFKC()
    t.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    t.train_from_iterator(CORPUS, trainers.UnigramTrainer(vocab_size=700, special_tokens=special, unk_token="<unk>", show_progress=False))
    t.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    return t, {"pad_token": "<pad>"}


def balanced(query, passage, special, most):
    if query + passage + special <= most:
        return query, passage
    half = (most - special) // 2
    kept = min(query, half) if passage > half else min(query, most - passage - special)
    return kept, min(passage, most - kept - special)


def vector(t, pair):
    query = (pair["query"] * pair["query_repeat"]).replace("\0", "")
    passage = (pair["passage"] * pair["passage_repeat"]).replace("\0", "")
    a, b = t.encode(query, add_special_tokens=False), t.encode(passage, add_special_tokens=False)
    special = t.num_special_tokens_to_add(is_pair=True)
    kept_a, kept_b = balanced(len(a.ids), len(b.ids), special, MAX_TOKENS)
    if (kept_a, kept_b) == (len(a.ids), len(b.ids)):
        whole = t.encode(query, passage)
    else:
        a.truncate(kept_a)
        b.truncate(kept_b)
        whole = t.post_process(a, b)
    return {"ids": whole.ids, "type_ids": whole.type_ids}


def dump(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("},{", "},\n{") + "\n")


def main():
    all_pairs = pairs()
    dump(HERE / "pairs.json", all_pairs)
    for name, build in (("wordpiece", wordpiece), ("bytebpe", bytebpe), ("unigram", unigram)):
        folder = HERE / name
        folder.mkdir(exist_ok=True)
        t, config = build()
        dump(folder / "tokenizer_config.json", config)
        # Special tokens in a text are plain text to us, which the library can do as well.
        t.encode_special_tokens = True
        vectors = [vector(t, p) for p in all_pairs]
        print(name, len(vectors), "vectors; texts whose own ids hold a special one:", forged(t, all_pairs))
        # Files in the wild ask for truncation and padding; we must not obey.
        t.enable_truncation(max_length=64 if name == "wordpiece" else MAX_TOKENS)
        t.enable_padding(length=96, pad_id=t.token_to_id("[PAD]") or t.token_to_id("<pad>") or 0, pad_token="[PAD]")
        t.save(str(folder / "tokenizer.json"), pretty=False)
        # Runs of one id are frequent and long: [id, times].
        dump(folder / "vectors.json", [{k: runs(v[k]) for k in v} for v in vectors])


def forged(t, all_pairs):
    """The pairs in which the library itself makes a special token of plain text."""
    special = {t.token_to_id(s) for s in ("[PAD]", "[CLS]", "[SEP]", "[MASK]", "<s>", "</s>", "<pad>", "<mask>")}
    texts = {p[side] for p in all_pairs for side in ("query", "passage")}
    return [text for text in texts if special & set(t.encode(text, add_special_tokens=False).ids)]


def runs(ids):
    out = []
    for i in ids:
        if out and out[-1][0] == i:
            out[-1][1] += 1
        else:
            out.append([i, 1])
    return out


if __name__ == "__main__":
    main()
