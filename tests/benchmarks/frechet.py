"""Features and Frechet distance against clean-fid's own: `python tests/benchmarks/frechet.py`.

Both run the same network from the same file: Inception v3 with random weights in the form of the
published archive, which is as fast as the published weights. Ratios above 1: ours is faster.
"""

import contextlib
import io
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cleanfid.fid import frechet_distance as clean_fids_distance
from cleanfid.fid import get_files_features
from cleanfid.inception_torchscript import InceptionV3W

from components.dataset import read_image, write_image
from components.fid_evaluation.features import extract, load_inception
from components.fid_evaluation.frechet import frechet_distance
from components.fid_evaluation.settings import FIDSettings
from components.fid_evaluation.weights import find_weights

sys.path.insert(0, str(Path(__file__).parents[1] / "fid_evaluation"))
from fid_scenes import surface
from inception_stand_in import whole_layers, write_archive

PICTURES = 32
BATCH = 8
SIDE = 192
SIZES = (300, 3000)


def seconds(call: Callable[[], Any]) -> tuple[float, Any]:
    """Time of one call, and what it returns."""
    started = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        value = call()
    return time.perf_counter() - started, value


def line(what: str, ours: float, theirs: float) -> None:
    print(f"{what:<46} {ours:8.3f} s  clean-fid {theirs:8.3f} s  {theirs / ours:8.1f} x")


def features(folder: Path) -> None:
    torch.manual_seed(0)
    archive = write_archive(folder, whole_layers())
    files = [folder / f"{place}.png" for place in range(PICTURES)]
    for place, file in enumerate(files):
        write_image(file, surface(place, SIDE))
    inception = load_inception(find_weights(FIDSettings(weights=str(archive))), "clean")
    if inception.low_reason:
        raise RuntimeError(f"no low-layer features: {inception.low_reason}")
    model = InceptionV3W(str(folder), download=False).eval().to(inception.device)

    def ours(count: int = PICTURES) -> Any:
        return extract(inception, count, lambda place: read_image(files[place]), BATCH).deep

    def theirs(count: int = PICTURES) -> Any:
        return get_files_features(
            [str(file) for file in files[:count]], model, num_workers=0, batch_size=BATCH,
            device=inception.device, mode="clean", verbose=False,
        )  # fmt: skip

    for warm in (ours, theirs):
        warm(BATCH)
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(2)]
    (_, found), (_, expected) = pairs[0]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
    fast, slow = (min(pair[side][0] for pair in pairs) for side in (0, 1))
    line(f"2048 features (ours: 64 more), {PICTURES} at {SIDE} px", fast, slow)


def distances() -> None:
    rng = np.random.default_rng(0)
    for size in SIZES:
        one, other = rng.random((2, size, 2048))
        fast, found = seconds(lambda one=one, other=other: frechet_distance(one, other))
        slow, expected = seconds(
            lambda one=one, other=other: clean_fids_distance(
                one.mean(0), np.cov(one, rowvar=False), other.mean(0), np.cov(other, rowvar=False)
            )
        )
        np.testing.assert_allclose(found, expected, rtol=1e-3)
        line(f"Frechet distance, twice {size} images", fast, slow)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        features(Path(folder))
    distances()
