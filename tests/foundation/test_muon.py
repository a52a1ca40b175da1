import copy

import pytest
import torch
from torch import nn

from components.checkpoint import Checkpoint
from components.muon import Muon, orthogonal


def net():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8), nn.Flatten(), nn.Linear(8 * 36, 5), nn.ReLU()
    )


def learn(model, optimizer, steps, first=0):
    for step in range(first, first + steps):
        random = torch.Generator().manual_seed(step)
        pictures = torch.randn(4, 3, 8, 8, generator=random)
        wanted = pictures.mean((2, 3)) @ torch.ones(3, 5)
        loss = (model(pictures) - wanted).square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return float(loss.detach())


@pytest.mark.parametrize("shape", [(8, 8), (8, 40), (40, 8), (1, 12)])
def test_singular_values_come_near_one_and_vectors_stay(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    found = orthogonal(matrix)
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    within = left.T @ found @ right.T
    usual = values > 0.05 * values.max()
    assert usual.any()
    assert ((torch.diag(within)[usual] > 0.6) & (torch.diag(within)[usual] < 1.3)).all()
    assert (within - torch.diag(torch.diag(within))).abs().max() < 1e-3


def test_kernels_and_matrices_are_updated_orthogonally_and_the_rest_as_by_adamw():
    ours, theirs = net(), net()
    before = copy.deepcopy(ours.state_dict())
    learn(ours, Muon(ours, 0.01), 1)
    learn(theirs, torch.optim.AdamW(theirs.parameters(), lr=0.01, weight_decay=0.0), 1)
    for name, value in ours.state_dict().items():
        change = (value - before[name]).flatten(1) if value.ndim > 1 else None
        if change is None:
            assert torch.equal(value, theirs.state_dict()[name]), name
        else:
            size = 0.01 * 0.2 * max(change.shape) ** 0.5
            assert torch.linalg.svdvals(change)[0] < 1.3 * size, name
            assert not torch.allclose(value, theirs.state_dict()[name]), name


def test_it_learns():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 5))
    start = learn(model, Muon(model, 0.0), 1)
    assert learn(model, Muon(model, 0.01), 200) < 0.2 * start


def test_it_goes_on_from_a_checkpoint_as_if_nothing_had_been(tmp_path):
    whole = net()
    learn(whole, Muon(whole, 0.01), 6)
    part = net()
    optimizer = Muon(part, 0.01)
    learn(part, optimizer, 3)
    Checkpoint(tmp_path / "one.safetensors", {"net": part}, optimizer).save(3)
    again = net()
    optimizer = Muon(again, 0.01)
    assert Checkpoint(tmp_path / "one.safetensors", {"net": again}, optimizer).load() == 3
    learn(again, optimizer, 3, first=3)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
