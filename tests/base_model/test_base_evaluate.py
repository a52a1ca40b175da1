import math

import cv2
import numpy as np
import pytest
import torch

from components.base_model.architecture import autoencoder
from components.base_model.evaluate import crops, fidelity
from components.base_model.fit_autoencoder import _unrest, psnr


@pytest.fixture
def photos(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(6):
        picture = rng.integers(60, 120, (70, 90, 3)).astype(np.uint8)
        cv2.imwrite(str(tmp_path / f"{number}.jpg"), picture)
        if number < 3:
            mask = np.zeros((70, 90), np.uint8)
            mask[5 + number : 9 + number, 80:84] = 255
            cv2.imwrite(str(tmp_path / f"{number}.png"), mask)
    cv2.imwrite(str(tmp_path / "small.jpg"), np.zeros((20, 20, 3), np.uint8))
    return tmp_path


def test_crops_hold_the_whole_defect_and_keep_the_scale(photos):
    images, masks = crops(photos, 10, 32, seed=0)
    assert images.shape == (6, 32, 32, 3)
    assert sorted(masks.sum((1, 2))) == [0, 0, 0, 16, 16, 16]
    again, _ = crops(photos, 10, 32, seed=0)
    assert np.array_equal(images, again)


def test_a_folder_without_photos_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no \.jpg photo"):
        crops(tmp_path, 4, 32, seed=0)


def test_fidelity_agrees_with_the_training_s_own_measure(photos):
    torch.manual_seed(0)
    model = autoencoder()
    images, masks = crops(photos, 10, 32, seed=0)
    found = fidelity(model, images, masks)
    assert found.whole == pytest.approx(psnr(model, images).mean(), abs=0.05)
    assert found.crops == 6
    assert math.isfinite(found.inside)
    assert math.isnan(fidelity(model, images, np.zeros_like(masks)).inside)


def test_repeated_latent_channels_are_worse_than_independent_ones():
    random = torch.Generator().manual_seed(0)
    free = torch.randn(8, 4, 16, 16, generator=random)
    tied = free.clone()
    tied[:, 1] = free[:, 0]
    assert _unrest(free) < 0.05
    assert _unrest(tied) > _unrest(free) + 0.1
    assert _unrest(free * 0.2) > _unrest(free) + 0.3


def test_an_untrained_autoencoder_keeps_signals_alive():
    torch.manual_seed(0)
    model = autoencoder()
    batch = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    latents = model.encode(batch).latents
    assert latents.shape == (4, 4, 8, 8)
    assert 0.1 < latents.std() < 5
    decoded = model.decode(latents).sample
    assert decoded.shape == batch.shape
    assert decoded.abs().mean() < 1.5
