"""One cross-encoder in the layout of every peer, fp32 and int8: the same weights for all.

    python models.py FOLDER

The int8 graph is the file of a package of the Python index as it is; the fp32 weights are its own,
(integer - zero point) x scale, exported by optimum as any user would. For rerankd there is also what
training/quantize makes of the export, in fp32 and int8. What is there is not made again.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

TRAINING = Path(__file__).resolve().parents[3] / "training"
sys.path.insert(0, str(TRAINING))

from distill import teachers

GRAPH = "onnx/model.onnx"
LIMIT = 512  # tokens of a pair
FLASHRANK = ("ms-marco-MiniLM-L-12-v2", "flashrank-MiniLM-L-12-v2_Q.onnx")  # the names it knows


def link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    os.link(source, target)


def save_export(folder: Path, tensors: dict, tokenizer_file: Path) -> None:
    """A folder as the transformers library saves it."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    layers = 1 + max(int(name.split(".")[2]) for name in tensors if name.startswith("encoder.layer."))
    config = BertConfig(hidden_size=384, num_hidden_layers=layers, num_attention_heads=12, intermediate_size=1536, num_labels=1)
    # Scores are raw logits, as the published model's are.
    config.sentence_transformers = {"activation_fn": "torch.nn.modules.linear.Identity"}
    model = BertForSequenceClassification(config).eval()
    state = {name if name.startswith("classifier.") else "bert." + name: torch.from_numpy(value.copy()) for name, value in tensors.items()}
    missing, unexpected = model.load_state_dict(state, strict=False)
    if missing or unexpected:
        raise SystemExit(f"models: the file lacks {missing} and has unknown {unexpected}")
    model.save_pretrained(folder)
    BertTokenizerFast(tokenizer_file=str(tokenizer_file), model_max_length=LIMIT, do_lower_case=True).save_pretrained(folder)


def without_padding(tokenizer_file: Path) -> None:
    """The package's file pads every text to 512 tokens, which would be unfair to whoever obeys it."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.save(str(tokenizer_file))


def rewrite(fp32: Path, folder: Path, files: list[str]) -> None:
    """The export as rerankd's documentation tells to make it faster."""
    for form in ("fp32", "int8"):
        for name in files:
            link(fp32 / name, folder / form / name)
    subprocess.run([sys.executable, TRAINING / "quantize/rewrite.py", fp32 / GRAPH, folder / "fp32/model.onnx"], check=True)
    subprocess.run([sys.executable, TRAINING / "quantize/quantize.py", folder / "fp32", "--out", "model_int8.onnx"], check=True)
    (folder / "fp32/model_int8.onnx").rename(folder / "int8/model.onnx")


def make(folder: Path) -> None:
    from optimum.exporters.onnx import main_export

    work = folder / "teachers"
    teachers.run(argparse.Namespace(work=work))
    fp32, int8 = folder / "fp32", folder / "int8"
    save_export(fp32, teachers.load(work / "cross.npz"), work / teachers.TOKENIZER)
    without_padding(fp32 / "tokenizer.json")
    main_export(str(fp32), output=str(folder / "exported"), task="text-classification", device="cpu", do_validation=False)
    link(folder / "exported/model.onnx", fp32 / GRAPH)
    link(work / "ms-marco-MiniLM-L-12-v2-int8/model.onnx", int8 / GRAPH)
    files = ["config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"]
    for name in files:
        link(fp32 / name, int8 / name)
    for form in (fp32, int8):
        for own, graph in ((folder / "flashrank" / form.name / FLASHRANK[0], FLASHRANK[1]), (folder / "infinity" / form.name, "model.onnx")):
            link(form / GRAPH, own / graph)
            for file in files:
                link(form / file, own / file)
    rewrite(fp32, folder / "rewritten", files)
    shutil.rmtree(folder / "exported")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", type=Path)
    folder = options.parse_args().folder
    done = folder / ".done"
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True)
        make(folder)
        done.touch()


if __name__ == "__main__":
    main()
