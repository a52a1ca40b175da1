"""Two steps side by side against one after the other: `python tests/benchmarks/lanes.py`.

The quickstart's segmenter is trained on procedural textures twice: in two processes at once on half
of the cores each, as `defectory run` does without a GPU, and one process after the other on all of
them. Both do the same optimiser steps; starting Python is not timed. Also what the layout of the
weights is worth to detection. A ratio above 1 means that ours is faster.
"""

import os
import subprocess
import sys
import time

STEPS = 40
BATCH = 5
PICTURES = 48
ROUNDS = 3


def train() -> None:
    """In a child: say ready, and for every line on standard input train `STEPS` steps."""
    import torch

    from components.mask_rcnn.batches import draw
    from components.mask_rcnn.pretrain import textures
    from components.textures.pool import fill

    backend = build()
    examples = textures(fill(0, PICTURES, 96, workers=1), 0)
    optimizer = torch.optim.AdamW(backend.module.parameters(), lr=1e-4)
    for line in iter(sys.stdin.readline, ""):
        for step in range(STEPS if line.strip() == "train" else 3):
            loss = backend.loss(*draw(examples, BATCH, 0, step))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        sys.stderr.write("done\n")
        sys.stderr.flush()


def build():  # type: ignore[no-untyped-def]
    """The quickstart's segmenter."""
    import torch

    from components.mask_rcnn import backend
    from components.mask_rcnn.settings import MaskRCNNSettings

    settings = MaskRCNNSettings(backbone="resnet18", size="small", weights="embedded")
    torch.manual_seed(0)
    return backend.build(settings, 12, 96)


class Child:
    """A process that trains when it is told to."""

    def __init__(self, threads: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "train"],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        )
        self.tell("warm")
        self.wait()

    def tell(self, what: str) -> None:
        """Start it."""
        assert self._process.stdin
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()

    def wait(self) -> None:
        """Wait until it is done."""
        assert self._process.stderr
        for line in self._process.stderr:
            if line == "done\n":
                return
        raise SystemExit("a child ended early")

    def close(self) -> None:
        """End it."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def side_by_side(cores: int) -> float:
    """Seconds for two trainings at once."""
    pair = [Child(cores // 2), Child(cores // 2)]
    best = min(_timed(pair) for _ in range(ROUNDS))
    for one in pair:
        one.close()
    return best


def one_by_one(cores: int) -> float:
    """Seconds for two trainings, one after the other."""
    child = Child(cores)
    best = min(_timed([child]) + _timed([child]) for _ in range(ROUNDS))
    child.close()
    return best


def _timed(children: list[Child]) -> float:
    started = time.monotonic()
    for child in children:
        child.tell("train")
    for child in children:
        child.wait()
    return time.monotonic() - started


def layouts() -> None:
    """Detection with the channels last and first, on one thread."""
    import torch

    torch.set_num_threads(1)
    images = torch.rand(16, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    backend = build()
    times = {torch.channels_last: 0.0, torch.contiguous_format: 0.0}
    for layout in times:
        backend.module.to(memory_format=layout)
        backend.detect(images)
        found = []
        for _ in range(ROUNDS):
            started = time.monotonic()
            backend.detect(images)
            found.append(time.monotonic() - started)
        times[layout] = min(found)
    last, first = (16 / one for one in times.values())
    print(
        f"detection, channels last {last:6.1f} images/s  first {first:6.1f}  {last / first:.2f} x"
    )


def main() -> None:
    """Print both lines."""
    cores = len(os.sched_getaffinity(0))
    if cores < 2:
        raise SystemExit("two lanes need two cores")
    ours, theirs = (2 * STEPS / one for one in (side_by_side(cores), one_by_one(cores)))
    print(
        f"training, side by side {ours:6.2f} steps/s  in turn {theirs:6.2f}  {ours / theirs:.2f} x"
    )
    layouts()


if __name__ == "__main__":
    train() if sys.argv[1:] == ["train"] else main()
