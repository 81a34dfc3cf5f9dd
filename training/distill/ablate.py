"""What each ingredient is worth: short runs of the same length that differ in one thing, measured on the dev mix and the test collections."""

import argparse
import json

import torch

from . import bert, machine as machines, teach, train
from .pairs import Texts

VARIANTS = {
    "base": {},
    "rate 6e-4": {"rate": 6e-4},
    "every other layer from 1": {"layers": (1, 3, 5, 7, 9, 11)},
    "word embeddings trained": {"words": True},
    "no labels": {"bonus": 0.0, "judged_bonus": 0.0},
    "rate 1.5e-4": {"rate": 1.5e-4},
    "temperature 3": {"temperature": 3.0},
    "cross-encoder alone": {"bi_weight": 0.0},
    "labelled queries alone": {"labelled_share": 1.0},
    "rule-made queries alone": {"labelled_share": 0.0},
}


def run(args):
    machine = machines.find(args.batch)
    taught, prepared = train.load_groups(args.work)
    texts = Texts(prepared, machine.device, args.passage_tokens)
    start = bert.from_export(teach.teachers.load(args.work / "cross.npz"))
    results = {}
    for name in args.variants or VARIANTS:
        own = argparse.Namespace(**{**vars(args), **VARIANTS[name], "name": name})
        torch.manual_seed(args.seed)
        model = train.student(start, own.layers).to(machine.device)
        if args.compile:
            model.compile(dynamic=True)
        trainer = train.Trainer(own, model, machine, taught, texts)
        trainer.run(args.steps, args.minutes * 60)
        results[name] = {"steps": trainer.step, "curve": trainer.curve[-1:], **train.measured(own, machine, model)}
        (args.work / "ablation.json").write_text(json.dumps(results, indent=1))
