"""The ReLU networks on scikit-learn's digits that are converted: their data, their layers, their training.

bench/convert.py runs them in our environment and in the peers'; tests/train/test_convert_digits.py demands the figures.
"""

from __future__ import annotations

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn


def mlp() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10)
    )


def cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(128, 10),
    )  # fmt: skip


MAKE = {"mlp": mlp, "cnn": cnn}


def data(seed: int) -> list[torch.Tensor]:
    x, y = load_digits(return_X_y=True)
    split = train_test_split((x / 16).astype(np.float32), y, test_size=0.25, random_state=seed, stratify=y)
    xa, xb, ya, yb = (torch.from_numpy(part) for part in split)
    return [xa.reshape(-1, 1, 8, 8), ya, xb.reshape(-1, 1, 8, 8), yb]


def train(kind: str, seed: int) -> nn.Module:
    xa, ya, _, _ = data(seed)
    torch.manual_seed(seed)
    net = MAKE[kind]()
    optimiser = torch.optim.Adam(net.parameters(), 2e-3)
    for _ in range(40):
        for chosen in torch.randperm(len(xa)).split(64):
            optimiser.zero_grad()
            nn.functional.cross_entropy(net(xa[chosen]), ya[chosen]).backward()
            optimiser.step()
    return net.eval()
