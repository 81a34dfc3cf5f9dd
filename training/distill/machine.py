"""Which machine this is, and what sizes suit it."""

import os
from dataclasses import dataclass

import torch


@dataclass
class Machine:
    device: torch.device
    dtype: torch.dtype  # of the forward pass
    teacher_dtype: torch.dtype
    budget: int  # tokens of one forward pass
    groups: int  # groups of a training step

    def __str__(self):
        if self.device.type == "cuda":
            return f"{torch.cuda.get_device_name()}, {self.dtype}, {self.groups} groups a step"
        return f"CPU with {torch.get_num_threads()} threads, {self.dtype}, {self.groups} groups a step"


def find(groups=None):
    if torch.cuda.is_available():
        torch.set_float32_matmul_precision("high")
        return Machine(torch.device("cuda"), torch.bfloat16, torch.float16, 131072, groups or 128)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    return Machine(torch.device("cpu"), torch.float32, torch.float32, 4096, groups or 4)
