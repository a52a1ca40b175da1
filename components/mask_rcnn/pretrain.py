"""Train the embedded start: `python -m components.mask_rcnn.pretrain --out FOLDER`.

The small Mask R-CNN learns to find and to name the marks of procedural textures. At last its layers
that name are exchanged for ones that know a single class, *anything marked*, and learn that alone.
Interrupted, it continues where it was when started again with the same arguments. With `--start` it
goes on from another such start, as far as that fits, instead of from nothing. The folder holds the
weights in half precision and `training.json` (procedure, curve, quality, time, machine).
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from components.checkpoint import Checkpoint
from components.instances import Instance, connected
from components.mask_rcnn.backend import Backend, build
from components.mask_rcnn.batches import Example, draw, stack
from components.mask_rcnn.regimes import learning_rate
from components.mask_rcnn.settings import EMBEDDED, MaskRCNNSettings
from components.mask_rcnn.start import FILE, NAMING, go_on, weights_of
from components.progress import say, track
from components.textures.draw import Mark
from components.textures.marks import MARKS
from components.textures.pool import Pool, fill

SIDE = 96
"""Pixels; anchors and heads are made for it."""

ABOUT = "training.json"

_NAMES = tuple(name for name in MARKS if name != "uneven")
"""What is learnt: a broad region of other brightness has no edge to be found."""
_SMALLEST = 6
"""Pixels of the smallest piece of a mark that counts."""
_BARE = 0.25
"""Share of pictures without a mark: they teach what is none."""
_HELD_OUT = 256
_SURE = 0.5
_OVERLAP = 0.5
_REPORT = 100
_NAMING_RATE = 2e-3


@dataclass(frozen=True)
class Textures:
    """Pictures of a pool with the connected pieces of their marks."""

    pool: Pool
    numbers: Sequence[int]

    def __len__(self) -> int:
        return len(self.numbers)

    def example(self, index: int) -> Example:
        """Picture (side, side, 3) and its marks."""
        number = self.numbers[index]
        return self.pool.images[number], pieces(self.pool.marks[number])


def pieces(marks: Sequence[Mark]) -> list[Instance]:
    """The connected pieces of marks, labelled by the mark's place in the list of names."""
    return [
        piece
        for mark in marks
        if mark.name in _NAMES
        for piece in connected(mark.mask, _NAMES.index(mark.name), _SMALLEST)
    ]


def textures(pool: Pool, seed: int) -> Textures:
    """All pictures with marks, and a share of those without."""
    marked = [number for number, marks in enumerate(pool.marks) if pieces(marks)]
    bare = sorted(set(range(len(pool.marks))) - set(marked))
    wanted = min(len(bare), round(len(marked) * _BARE / (1 - _BARE)))
    chosen = np.random.default_rng([seed, 3]).choice(bare, wanted, replace=False)
    return Textures(pool, [*marked, *(int(number) for number in chosen)])


def pretrain(
    out: Path,
    steps: int,
    batch: int,
    peak: float,
    count: int,
    seed: int,
    workers: int,
    start: Path | None = None,
    naming_steps: int = 600,
) -> None:
    """Train into `out`, which appears when it is complete.

    Args:
        out: Folder of the result.
        steps: Optimiser steps.
        batch: Pictures a step.
        peak: Largest learning rate of AdamW.
        count: Number of textures.
        seed: Of textures, weights and batches; the next seed's first textures are held out.
        workers: Processes that draw textures.
        start: A folder that `pretrain` wrote, to go on from.
        naming_steps: Optimiser steps of the layers that name, at last.
    """
    # Read first: a folder without it must not be found out after an hour.
    before = json.loads((start / ABOUT).read_text()) if start is not None else None
    work = out.with_name(out.name + ".work")
    work.mkdir(parents=True, exist_ok=True)
    kept = work / "pool.npz"
    if not kept.is_file():
        fill(seed, count, SIDE, workers).save(kept)
    examples = textures(Pool.load(kept), seed)
    settings = MaskRCNNSettings(backbone="resnet18", size="small", weights="")
    torch.manual_seed(seed)
    backend = build(settings, len(_NAMES), SIDE)
    if start is not None:
        fresh = go_on(backend.module, start)
        say(f"{len(fresh)} weights begin at random: {', '.join(fresh) or 'none'}")
    optimizer = torch.optim.AdamW(backend.module.parameters(), lr=peak, weight_decay=1e-4)
    checkpoint = Checkpoint(
        work / "checkpoint.safetensors",
        {"model": backend.module},
        optimizer,
        {"loss": [], "seconds": []},
    )
    done, total, started = checkpoint.load(), 0.0, time.monotonic()
    for step in track(range(done, steps), "pretraining", total=steps, done=done):
        images, truth = draw(examples, batch, seed, step)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, steps, peak)
        torch.manual_seed(seed * steps + step)
        loss = backend.loss(images, truth)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(backend.module.parameters(), 10.0)
        optimizer.step()
        total += loss.item()
        if (step + 1) % _REPORT == 0 or step + 1 == steps:
            stretch = step % _REPORT + 1
            checkpoint.curves["loss"].append((step + 1, total / stretch))
            checkpoint.curves["seconds"].append((step + 1, time.monotonic() - started))
            say(f"step {step + 1}: loss {total / stretch:.3f}")
            total, started = 0.0, time.monotonic()
            checkpoint.save(step + 1)
    named = unnamed(backend, examples, naming_steps, batch, seed)
    _write(out, named, checkpoint, {
        "steps": steps, "batch": batch, "learning rate": peak, "textures": count, "seed": seed,
        "marks": _NAMES, "side": SIDE, "naming steps": naming_steps,
        "before": before,
    }, quality(named, fill(seed + 1, _HELD_OUT, SIDE, workers)))  # fmt: skip


@dataclass(frozen=True)
class _Unnamed:
    """Examples whose marks are all of one class."""

    examples: Textures

    def __len__(self) -> int:
        return len(self.examples)

    def example(self, index: int) -> Example:
        """Picture (side, side, 3) and its marks, all labelled 0."""
        picture, marks = self.examples.example(index)
        return picture, [Instance(one.mask, 0) for one in marks]


def unnamed(backend: Backend, examples: Textures, steps: int, batch: int, seed: int) -> Backend:
    """The same network with layers that name a single class, which alone are trained.

    Args:
        backend: A trained network of any number of classes.
        examples: What to train on.
        steps: Optimiser steps.
        batch: Pictures a step.
        seed: Of the new layers and the batches.
    """
    torch.manual_seed(seed)
    # Any weights freeze the batch normalisation; none are read.
    settings = MaskRCNNSettings(backbone="resnet18", size="small", weights=EMBEDDED)
    made = build(settings, 1, SIDE, trained=True)
    kept = {
        name: value
        for name, value in weights_of(backend.module).items()
        if not name.startswith(NAMING)
    }
    made.module.load_state_dict(kept, strict=False)
    for name, one in made.module.named_parameters():
        one.requires_grad_(name.startswith(NAMING))
    trained = [one for one in made.module.parameters() if one.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=_NAMING_RATE, weight_decay=1e-4)
    pool = _Unnamed(examples)
    for step in track(range(steps), "naming", total=steps):
        images, truth = draw(pool, batch, seed + 1, step)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, steps, _NAMING_RATE)
        torch.manual_seed(seed * steps + step)
        loss = made.loss(images, truth)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    return made


def quality(backend: Backend, held: Pool) -> dict[str, float]:
    """What is found in textures that were not trained on, whatever it is called.

    A mark's piece counts as found when a detection with a score of 0.5 or more overlaps it with
    an IoU of 0.5 or more.
    """
    found, wanted, false = 0, 0, 0
    for start in range(0, len(held.images), 32):
        detections = backend.detect(stack(list(held.images[start : start + 32])))
        for number, all_of_it in enumerate(detections, start):
            truth = [one.mask for one in pieces(held.marks[number])]
            sure = [one.mask for one in all_of_it if one.score >= _SURE]
            hits = [[_iou(one, other) >= _OVERLAP for other in sure] for one in truth]
            wanted += len(truth)
            found += sum(any(row) for row in hits)
            false += sum(not any(row[k] for row in hits) for k in range(len(sure)))
    return {
        "held-out textures": len(held.images),
        "pieces of marks": wanted,
        "share found": found / wanted,
        "false alarms a picture": false / len(held.images),
    }


def _iou(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


def _write(
    out: Path,
    backend: Backend,
    checkpoint: Checkpoint,
    procedure: dict[str, object],
    measured: dict[str, float],
) -> None:
    out.mkdir(parents=True, exist_ok=True)
    halved = {name: value.half().contiguous() for name, value in weights_of(backend.module).items()}
    aside = out / f"{FILE}.part"
    save_file(halved, aside)
    aside.rename(out / FILE)
    about = {
        "procedure": procedure,
        "quality": measured,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {backend.on.device.type}, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}",
        "seconds": sum(seconds for _, seconds in checkpoint.curves["seconds"]),
        "loss": checkpoint.curves["loss"],
    }
    (out / ABOUT).write_text(json.dumps(about, indent=1) + "\n")
    say(", ".join(f"{name} {value:.3g}" for name, value in measured.items()))


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(prog="python -m components.mask_rcnn.pretrain")
    parser.add_argument("--out", type=Path, required=True, help="folder of the result")
    parser.add_argument("--start", type=Path, help="folder of a start to go on from")
    parser.add_argument("--steps", type=int, default=3000, help="optimiser steps")
    parser.add_argument("--batch", type=int, default=6, help="pictures a step")
    parser.add_argument("--rate", type=float, default=1e-3, help="largest learning rate")
    parser.add_argument("--textures", type=int, default=8000, help="number of textures")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2, help="processes that draw textures")
    chosen = parser.parse_args()
    pretrain(
        chosen.out,
        chosen.steps,
        chosen.batch,
        chosen.rate,
        chosen.textures,
        chosen.seed,
        chosen.workers,
        chosen.start,
    )


if __name__ == "__main__":
    main()
