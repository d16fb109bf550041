"""PyTorch on the CPU, dense: reads the name of a training step a line, runs it once, answers its milliseconds.

Usage: torch_peer.py THREADS. Names: resnet20, mlp1000. Batch 128, SGD with momentum 0.9.
"""
import os
import sys

os.environ.setdefault("GOMP_SPINCOUNT", "1000")
THREADS = int(sys.argv[1]) if len(sys.argv) > 1 else 1
os.environ.setdefault("OPENBLAS_NUM_THREADS", str(THREADS))
os.environ.setdefault("OMP_NUM_THREADS", str(THREADS))

import time

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(THREADS)
torch.manual_seed(0)
BATCH = 128


class Block(nn.Module):
    """Two 3x3 convolutions with batch norm and the parameter-free shortcut (option A) of He et al. 2016."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.grows = stride != 1 or inputs != outputs
        self.margin = (outputs - inputs) // 2

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.grows:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.margin, self.margin))
        return F.relu(x + y)


def resnet20():
    layers = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    inputs = 16
    for outputs, stride in ((16, 1), (32, 2), (64, 2)):
        for i in range(3):
            layers.append(Block(inputs, outputs, stride if i == 0 else 1))
            inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def mlp1000():
    sizes = [784, 1000, 1000, 1000]
    layers = []
    for a, b in zip(sizes, sizes[1:]):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(1000, 10))


MODELS = {"resnet20": (resnet20, (3, 32, 32)), "mlp1000": (mlp1000, (784,))}
STEPS = {}


def step_of(name):
    if name in STEPS:
        return STEPS[name]
    build, shape = MODELS[name]
    model = build()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    x = torch.randn(BATCH, *shape)
    y = torch.randint(0, 10, (BATCH,))

    def step():
        optimiser.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimiser.step()
        return loss

    STEPS[name] = step
    return step


print(f"PyTorch {torch.__version__} CPU", flush=True)
for line in sys.stdin:
    step = step_of(line.strip())
    start = time.perf_counter()
    step()
    print((time.perf_counter() - start) * 1e3, flush=True)
