"""One stage of the recipe; see ../README.md."""

import argparse
import pathlib


def arguments():
    parser = argparse.ArgumentParser(prog="distill", description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("stage", choices=("teachers", "prepare", "teach", "train", "tiny", "export", "ablate"))
    parser.add_argument("--work", type=pathlib.Path, required=True, help="folder for everything that the stages make")
    parser.add_argument("--data", nargs="*", default=[], help="training sources: folders, or folders of them")
    parser.add_argument("--eval", nargs="*", default=[], help="test collections to measure, never trained on")
    parser.add_argument("--limit", type=int, default=0, help="passages of each source that are read; 0: all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lexical", type=int, default=10, help="candidates a query from BM25")
    parser.add_argument("--made", type=int, default=2, help="queries a passage made by rules")
    parser.add_argument("--dense", type=int, default=3, help="candidates a query from the bi-encoder")
    parser.add_argument("--groups", type=int, default=0, help="teach so many queries only; 0: all, of tiny 40,000")
    parser.add_argument("--name", default="mini", choices=("mini", "tiny"))
    parser.add_argument("--layers", type=int, nargs="*", help="which layers of the teacher the student starts from")
    parser.add_argument("--from", dest="start", type=pathlib.Path, help="weights to go on from instead of the teacher's layers: a .pt, weights/mini.npz, or a model folder that export wrote")
    parser.add_argument("--words", action="store_true", help="train the word embeddings, too")
    parser.add_argument("--steps", type=int, default=20000)
    parser.add_argument("--minutes", type=float, default=600)
    parser.add_argument("--batch", type=int, help="groups a step")
    parser.add_argument("--rate", type=float, default=3e-4)
    parser.add_argument("--warmup", type=int, default=100, help="steps")
    parser.add_argument("--averaged", type=float, default=0.4, help="part of the run whose parameters are averaged")
    parser.add_argument("--average-every", type=int, default=5, help="steps")
    parser.add_argument("--temperature", type=float, default=1.5)
    parser.add_argument("--bonus", type=float, default=1.0, help="logits that a labelled positive is worth")
    parser.add_argument("--judged", nargs="*", default=["msrd"], help="sources whose negatives are judged, too")
    parser.add_argument("--judged-bonus", type=float, default=2.0, help="the same, in those")
    parser.add_argument("--bi-weight", type=float, default=1.0, help="weight of the bi-encoder beside the cross-encoder")
    parser.add_argument("--labelled-share", type=float, default=0.6, help="part of a source's draws that are labelled queries")
    parser.add_argument("--compile", action="store_true", help="compile the model: a minute at first, then faster on a GPU")
    parser.add_argument("--variants", nargs="*", help="what to ablate; all by default")
    parser.add_argument("--passage-tokens", type=int, default=256)
    parser.add_argument("--form", default="int8", choices=("fp32", "int8", "nbits8", "nbits4"), help="form of the exported weights")
    parser.add_argument("--out", type=pathlib.Path, help="model folder to write")
    parser.add_argument("--keep", type=pathlib.Path, help="file to keep the weights in, half precision, so that export makes every form again")
    parser.add_argument("--id", help="the exported model's id; by default rerankd-NAME")
    parser.add_argument("--revision", default="1", help="the exported model's revision")
    return parser


def main():
    args = arguments().parse_args()
    from importlib import import_module

    import_module(f"distill.{args.stage}").run(args)


if __name__ == "__main__":
    main()
