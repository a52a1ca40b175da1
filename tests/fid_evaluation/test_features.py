"""Inception features: clean-fid's own, from a file, never from the network."""

import urllib.request
import warnings

import numpy as np
import pytest
import torch
from fid_scenes import surface
from inception_stand_in import small_layers, write_archive

from components.dataset import write_image
from components.fid_evaluation.features import extract, load_inception
from components.fid_evaluation.settings import FIDSettings
from components.fid_evaluation.weights import STATE, TORCHSCRIPT, VARIABLE, find_weights


@pytest.fixture(autouse=True)
def no_network(monkeypatch, tmp_path):
    def refuse(*_, **__):
        raise AssertionError("something was to be downloaded")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    torch.manual_seed(0)
    return write_archive(tmp_path_factory.mktemp("weights"), small_layers(), "any name.pt")


@pytest.fixture
def files(tmp_path):
    paths = []
    for seed in range(5):
        paths.append(tmp_path / f"{seed}.png")
        write_image(paths[-1], surface(seed, 40))
    return paths


def ours(settings, count=5):
    inception = load_inception(find_weights(settings), settings.mode)
    return extract(inception, count, lambda seed: surface(seed, 40), settings.batch), inception


def theirs(files, path, mode, tmp_path):
    from cleanfid.fid import get_files_features
    from cleanfid.inception_torchscript import InceptionV3W

    (tmp_path / TORCHSCRIPT).symlink_to(path)
    model = InceptionV3W(str(tmp_path), download=False, resize_inside=mode == "legacy_tensorflow")
    return get_files_features(
        [str(one) for one in files], model, num_workers=0, batch_size=2,
        device=torch.device("cpu"), mode=mode, verbose=False,
    )  # fmt: skip


@pytest.mark.parametrize("mode", ["clean", "legacy_tensorflow"])
def test_features_are_clean_fids(archive, files, tmp_path, mode):
    found, inception = ours(FIDSettings(weights=str(archive), mode=mode, batch=3))

    expected = theirs(files, archive, mode, tmp_path)

    assert expected.std(0).max() > 1e-3
    np.testing.assert_allclose(found.deep, expected, rtol=1e-3, atol=1e-5)
    assert bool(inception.low_reason) == (mode == "legacy_tensorflow")


def test_low_layer_features_are_the_means_behind_the_first_pooling(archive):
    found, inception = ours(FIDSettings(weights=str(archive)), count=1)
    layers = torch.jit.load(str(archive)).layers
    pixels = torch.from_numpy(inception.resize(surface(0, 40)).transpose(2, 0, 1)[None])

    with torch.no_grad():
        maps = (pixels - 128) / 128
        for layer in list(layers.children())[:4]:
            maps = layer(maps)

    np.testing.assert_allclose(found.low, maps.mean((2, 3)), rtol=1e-4, atol=1e-6)


def test_an_archive_in_another_order_still_gives_deep_features(tmp_path):
    torch.manual_seed(0)
    layers = small_layers()
    path = write_archive(tmp_path, torch.nn.Sequential(torch.nn.Identity(), *layers))

    found, inception = ours(FIDSettings(weights=str(path)))

    assert "first layers" in inception.low_reason
    assert found.deep.shape == (5, 2048) and found.low.shape == (5, 0)


def test_pytorch_fids_network_is_loaded_from_its_file(tmp_path, monkeypatch):
    from cleanfid import inception_pytorch

    network = {}
    with warnings.catch_warnings(), monkeypatch.context() as patch:
        warnings.simplefilter("ignore")
        built = inception_pytorch._inception_v3
        patch.setattr(
            inception_pytorch, "_inception_v3",
            lambda **options: network.setdefault("built", built(**options)),
        )  # fmt: skip
        patch.setattr(inception_pytorch, "load_state_dict_from_url",
                      lambda *_, **__: network["built"].state_dict())  # fmt: skip
        inception_pytorch.fid_inception_v3()
    torch.save(network["built"].state_dict(), tmp_path / STATE)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found, _ = ours(FIDSettings(weights=str(tmp_path / STATE), mode="legacy_pytorch"), count=1)

    assert found.deep.shape == (1, 2048) and found.low.shape == (1, 64)
    assert found.low.std() > 0


def test_missing_weights_are_named_and_nothing_is_downloaded():
    found = find_weights(FIDSettings())

    assert found.path is None
    assert TORCHSCRIPT in found.reason
    assert "--set fid_evaluation.weights=" in found.reason
    assert STATE in find_weights(FIDSettings(mode="legacy_pytorch")).reason


def test_a_path_that_is_no_file_is_named(tmp_path):
    assert "nowhere.pt is not a file" in find_weights(FIDSettings(weights="nowhere.pt")).reason


def test_the_usual_places(tmp_path, monkeypatch, archive):
    (tmp_path / TORCHSCRIPT).write_bytes(b"here")
    assert find_weights(FIDSettings()).path == tmp_path / TORCHSCRIPT

    monkeypatch.setenv(VARIABLE, str(archive))
    assert find_weights(FIDSettings()).path == archive

    (tmp_path / "there").mkdir()
    (tmp_path / "there" / TORCHSCRIPT).write_bytes(b"there")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "there"))
    assert find_weights(FIDSettings()).path == tmp_path / "there" / TORCHSCRIPT


def test_other_weights_than_those_that_were_pinned_are_refused(archive):
    digest = find_weights(FIDSettings(weights=str(archive))).digest

    assert find_weights(FIDSettings(weights=str(archive), digest=digest)).path == archive
    assert find_weights(FIDSettings(weights=str(archive), digest=digest)).published is False
    with pytest.raises(ValueError, match="digest: 0+ is not that of"):
        find_weights(FIDSettings(weights=str(archive), digest="0" * 64))


def test_a_file_that_is_no_network_is_refused(tmp_path):
    (tmp_path / "bad.pt").write_bytes(b"not an archive")

    with pytest.raises(ValueError, match=r"bad.pt does not hold the Inception network"):
        ours(FIDSettings(weights=str(tmp_path / "bad.pt")))
