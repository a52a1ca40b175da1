"""Trains Mask R-CNN in one regime and lets it predict the held-out parts."""

import contextlib
import copy
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from components.checkpoint import Checkpoint
from components.dataset import Dataset, Frame, write_image
from components.fraction import percent
from components.instances import Instance, class_map
from components.mask_rcnn.backend import Backend, Detection, build
from components.mask_rcnn.batches import Pool, RealPool, SyntheticPool, draw
from components.mask_rcnn.predict import ABOUT, WEIGHTS
from components.mask_rcnn.predictions import all_frames, detect, image_ids, results, segm_ap50
from components.mask_rcnn.regimes import (
    Source,
    learning_rate,
    sources,
    synthetic_share,
    validation_steps,
)
from components.mask_rcnn.settings import MaskRCNNSettings, Regime
from components.mask_rcnn.threshold import LENIENT, Threshold, choose
from components.outcome import Outcome
from components.pictures import draw_masks, grid
from components.progress import say, track
from components.synthetic import SyntheticSet

_WEIGHT_DECAY = 1e-4
_LARGEST_GRADIENT = 10.0
_PREVIEW = 12


def train(
    out: Path,
    settings: MaskRCNNSettings,
    dataset: Path,
    fraction: float,
    regime: Regime,
    seed: int,
    synthetic: Path | None = None,
) -> Outcome:
    """Train in one regime, keep the state that is best on the validation part, predict.

    The test part is predicted once, by the state and with the threshold already chosen, and its
    annotations are never read.

    Args:
        out: Folder of the result; continues from the checkpoint in it, if there is one.
        settings: The step's settings.
        dataset: The dataset artifact.
        fraction: Fraction of the real data, 0 .. 1, to train on.
        regime: `real`, `synthetic` or `synthetic_then_real`.
        seed: Seed of the first weights, the batches and the sampled proposals.
        synthetic: The synthetic set; needed by every regime but `real`.

    Raises:
        ValueError: If a pool that the regime needs is missing or empty.
    """
    data = Dataset(dataset)
    pools = _pools(regime, data, fraction, synthetic)
    sizes = {name: len(pool) for name, pool in pools.items()}
    share = settings.pretrain_share
    if len(sizes) > 1:
        share = synthetic_share(share, sizes["real"], sizes["synthetic"])
    plan = sources(regime, settings.steps, share)
    frames = all_frames(data, "val")

    with _reproducible():
        torch.manual_seed(seed)
        backend = build(settings, len(data.classes), data.resolution)
        training = _Training(out, settings, backend, data, frames, seed)
        diverged = training.run(plan, pools)
        training.take_best()

        found = training.found or detect(backend, data, frames)
        threshold = choose([data.instances(frame) for frame in frames], found)
        score = threshold.score if threshold else 0.5
        _write(out / "predictions" / "val.json", data, frames, found)
        (out / "preview").mkdir(exist_ok=True)
        _preview(out, data, frames, found, score)
        _preview_training(out, pools, len(data.classes))
        tested = all_frames(data, "test")
        _write(out / "predictions" / "test.json", data, tested, detect(backend, data, tested))

    save_file(
        {name: value.cpu().contiguous() for name, value in backend.module.state_dict().items()},
        out / WEIGHTS,
    )
    about = {
        "backend": settings.backend,
        "classes": list(data.classes),
        "resolution": data.resolution,
        "threshold": score,
        "regime": regime,
        "fraction": fraction,
        "seed": seed,
        "best_step": training.best_step,
        "images": sizes,
        "synthetic_steps": plan.count("synthetic"),
        "settings": settings.model_dump(mode="json"),
    }
    (out / ABOUT).write_text(json.dumps(about, indent=2) + "\n")
    training.checkpoint.discard()
    metrics = {
        "val_ap50": training.best_score,
        "best_step": training.best_step,
        "threshold": score,
        "parameters": sum(one.numel() for one in backend.module.parameters()),
    }
    return Outcome(
        metrics={**metrics, **({"val_f1": threshold.f1} if threshold else {})},
        curves=training.checkpoint.curves,
        warnings=_warnings(f"{percent(fraction)} {regime}", threshold, diverged),
    )


class _Training:
    """The loop over the optimiser steps, which a kill may interrupt anywhere."""

    def __init__(
        self,
        out: Path,
        settings: MaskRCNNSettings,
        backend: Backend,
        data: Dataset,
        frames: Sequence[Frame],
        seed: int,
    ) -> None:
        self.settings = settings
        self.backend = backend
        self.data = data
        self.frames = frames
        self.seed = seed
        self.validated = frozenset(validation_steps(settings.steps, settings.validations))
        self.best = copy.deepcopy(backend.module)
        # What the best state found, where this process has validated it.
        self.found: list[list[Detection]] = []
        self.optimizer = torch.optim.AdamW(
            [one for one in backend.module.parameters() if one.requires_grad],
            lr=settings.learning_rate,
            weight_decay=_WEIGHT_DECAY,
        )
        self.checkpoint = Checkpoint(
            out / "checkpoint.safetensors",
            {"model": backend.module, "best": self.best},
            self.optimizer,
            {"loss": [], "val_ap50": []},
        )

    def run(self, plan: Sequence[Source], pools: dict[Source, Pool]) -> int | None:
        """Do the steps that are not done; returns the step at which the loss was not finite."""
        steps = self.settings.steps
        done = self.checkpoint.load()
        for step in track(range(done, steps), "training", total=steps, done=done):
            loss = self._step(step, pools[plan[step]])
            if not math.isfinite(loss):
                say(f"the loss is {loss} at step {step + 1}: the training ends here")
                return step + 1
            self.checkpoint.curves["loss"].append((step + 1, loss))
            if step + 1 in self.validated:
                self._validate(step + 1)
            if (step + 1) % self.settings.checkpoint_every == 0 or step + 1 in self.validated:
                self.checkpoint.save(step + 1)
        return None

    def take_best(self) -> None:
        """Turn the network into the best state."""
        self.backend.module.load_state_dict(self.best.state_dict())

    @property
    def best_score(self) -> float:
        """AP50 of the best state on the validation part, 0 .. 1."""
        return max((score for _, score in self.checkpoint.curves["val_ap50"]), default=0.0)

    @property
    def best_step(self) -> int:
        """Steps that the best state has learnt; the later of equals."""
        scores = self.checkpoint.curves["val_ap50"]
        return max((step for step, score in scores if score == self.best_score), default=0)

    def _step(self, step: int, pool: Pool) -> float:
        images, truth = draw(pool, self.settings.batch, self.seed, step)
        rate = learning_rate(step, self.settings.steps, self.settings.learning_rate)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        # The libraries draw anchors and proposals from the global generator.
        torch.manual_seed(_word(self.seed, step))
        loss = self.backend.loss(images, truth)
        value = loss.item()
        if math.isfinite(value):
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.backend.module.parameters(), _LARGEST_GRADIENT)
            self.optimizer.step()
        return value

    def _validate(self, step: int) -> None:
        found = detect(self.backend, self.data, self.frames)
        score = segm_ap50(self.data, self.frames, found)
        self.checkpoint.curves["val_ap50"].append((step, score))
        say(f"step {step}: AP50 of the masks on the validation part {100 * score:.1f} %")
        if step == self.best_step:
            self.best.load_state_dict(self.backend.module.state_dict())
            self.found = found


def _pools(
    regime: Regime, data: Dataset, fraction: float, synthetic: Path | None
) -> dict[Source, Pool]:
    pools: dict[Source, Pool] = {}
    if regime != "synthetic":
        pools["real"] = RealPool(data, data.frames("train", fraction=fraction))
    if regime != "real":
        if synthetic is None:
            raise ValueError("this regime trains on synthetic images: give a synthetic set")
        pools["synthetic"] = SyntheticPool(SyntheticSet(synthetic))
    for name, pool in pools.items():
        if len(pool) == 0:
            raise ValueError(
                f"there is no {name} image at {percent(fraction)} of the data to train on; "
                "give more data or a larger fraction"
            )
    return pools


def _word(seed: int, step: int) -> int:
    return int(np.random.SeedSequence([seed, step, 1]).generate_state(1, np.uint32)[0])


@contextlib.contextmanager
def _reproducible() -> Iterator[None]:
    """Sums in a fixed order on the CPU, where torch otherwise leaves it to the threads.

    On a GPU the gradient of RoIAlign has no such variant that is fast enough to train with.
    """
    before = torch.are_deterministic_algorithms_enabled()
    filling = torch.utils.deterministic.fill_uninitialized_memory
    torch.use_deterministic_algorithms(not torch.accelerator.is_available())
    torch.utils.deterministic.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
        torch.utils.deterministic.fill_uninitialized_memory = filling


def _write(
    path: Path, data: Dataset, frames: Sequence[Frame], found: Sequence[Sequence[Detection]]
) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(results(image_ids(data, frames), found)))


def _preview(
    out: Path,
    data: Dataset,
    frames: Sequence[Frame],
    found: Sequence[Sequence[Detection]],
    score: float,
) -> None:
    """Annotated validation frames in pairs: the truth on the left, what was found on the right."""
    annotated = [number for number, frame in enumerate(frames) if not frame.defect_free]
    if not annotated:
        return
    spread = np.linspace(0, len(annotated) - 1, min(_PREVIEW, len(annotated))).round().astype(int)
    pairs = []
    for number in (annotated[one] for one in spread):
        picture = data.image(frames[number])
        sides = (
            data.instances(frames[number]),
            # The surest last, so that they lie on top.
            [Instance(one.mask, one.label) for one in reversed(found[number])
             if one.score >= score],
        )  # fmt: skip
        drawn = [
            draw_masks(picture, class_map(one, *picture.shape[:2]), len(data.classes))
            for one in sides
        ]
        pairs.append(np.concatenate(drawn, 1))
    write_image(out / "preview" / "val.png", grid(pairs, 3, gap=6))


def _preview_training(out: Path, pools: dict[Source, Pool], classes: int) -> None:
    """Images of every pool with their defects, as the network gets them but for the mirroring."""
    for name, pool in pools.items():
        spread = np.linspace(0, len(pool) - 1, min(_PREVIEW, len(pool))).round().astype(int)
        pairs = []
        for picture, instances in (pool.example(int(one)) for one in spread):
            painted = class_map(instances, *picture.shape[:2])
            pairs.append(np.concatenate([picture, draw_masks(picture, painted, classes)], 1))
        write_image(out / "preview" / f"learnt_from_{name}.png", grid(pairs, 3, gap=6))


def _warnings(name: str, threshold: Threshold | None, diverged: int | None) -> list[str]:
    warnings = []
    if diverged is not None:
        warnings.append(
            f"mask_rcnn {name}: the training collapsed at step {diverged} (loss not finite); its "
            "best state before that was kept. Lower mask_rcnn.learning_rate."
        )
    if threshold is None:
        warnings.append(
            f"mask_rcnn {name}: no detection overlaps a defect of the validation part (mask IoU "
            f"of at least {LENIENT:g}), so the score threshold is 0.5 unseen."
        )
    elif threshold.overlap == LENIENT:
        warnings.append(
            f"mask_rcnn {name}: the score threshold was chosen at mask IoU {LENIENT:g}, because "
            "no detection on the validation part reaches 0.5."
        )
    return warnings
