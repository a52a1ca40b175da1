from pathlib import Path

import torch
from torch import nn

from components.checkpoint import Checkpoint


def _state(path: Path) -> tuple[nn.Module, Checkpoint]:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 1))
    return net, Checkpoint(path, {"net": net}, torch.optim.AdamW(net.parameters(), lr=0.1))


def _train(net: nn.Module, checkpoint: Checkpoint, first: int, last: int) -> None:
    for step in range(first, last):
        torch.manual_seed(step)
        loss = net(torch.randn(16, 4)).square().mean()
        checkpoint.optimizer.zero_grad()
        loss.backward()
        checkpoint.optimizer.step()
        checkpoint.curves.setdefault("loss", []).append((step, loss.item()))


def test_a_continued_training_equals_an_undisturbed_one(tmp_path: Path) -> None:
    whole, undisturbed = _state(tmp_path / "whole")
    _train(whole, undisturbed, 0, 6)
    first, interrupted = _state(tmp_path / "checkpoint.safetensors")
    _train(first, interrupted, 0, 3)
    interrupted.save(3)

    second, continued = _state(tmp_path / "checkpoint.safetensors")
    assert continued.load() == 3
    _train(second, continued, 3, 6)

    for one, other in zip(whole.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(one, other)
    assert continued.curves == undisturbed.curves


def test_without_a_file_a_training_starts_at_zero(tmp_path: Path) -> None:
    _, checkpoint = _state(tmp_path / "none.safetensors")

    assert checkpoint.load() == 0


def test_a_half_written_checkpoint_is_not_seen(tmp_path: Path) -> None:
    net, checkpoint = _state(tmp_path / "checkpoint.safetensors")
    _train(net, checkpoint, 0, 2)
    checkpoint.save(2)
    (tmp_path / "checkpoint.part").write_bytes(b"half")

    _, again = _state(tmp_path / "checkpoint.safetensors")
    assert again.load() == 2


def test_weights_with_channels_last_are_kept_and_continued(tmp_path: Path) -> None:
    def state() -> tuple[nn.Module, Checkpoint]:
        torch.manual_seed(0)
        net = nn.Conv2d(4, 8, 3).to(memory_format=torch.channels_last)
        optimizer = torch.optim.AdamW(net.parameters(), lr=0.1)
        return net, Checkpoint(tmp_path / "checkpoint.safetensors", {"net": net}, optimizer)

    net, first = state()
    net(torch.randn(2, 4, 8, 8)).square().mean().backward()
    first.optimizer.step()
    first.save(1)
    other, continued = state()
    assert continued.load() == 1

    assert not net.weight.is_contiguous()
    for one, two in zip(net.parameters(), other.parameters(), strict=True):
        moments = continued.optimizer.state[two]
        for name, value in first.optimizer.state[one].items():
            assert torch.equal(value, moments[name])
        assert moments["exp_avg"].stride() == two.stride()
