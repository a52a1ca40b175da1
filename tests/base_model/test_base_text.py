import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from components.base_model.architecture import Model
from components.base_model.caption_gain import caption_gain
from components.base_model.fit_denoiser import beside, fit_denoiser
from components.base_model.fit_text import Contrast, _loss, fit_text
from components.base_model.plan import Stage

SIDE = 32
BRIGHTNESS = {"a dark surface": -2.0, "a bright surface": 2.0}
MARK = {"": 0.0, " with a crack": 3.0}


def lessons(count, seed):
    """Latents whose brightness is that of all, and a mark in one cell of 64, with captions."""
    rng = np.random.default_rng(seed)
    captions = [rng.choice(list(BRIGHTNESS)) + rng.choice(list(MARK)) for _ in range(count)]
    latents = rng.normal(0, 0.3, (count, 4, 8, 8)).astype(np.float32)
    marked = np.zeros((count, SIDE, SIDE), bool)
    for number, caption in enumerate(captions):
        surface, _, mark = caption.partition(" with")
        latents[number, 0] += BRIGHTNESS[surface]
        y, x = rng.integers(1, 7, 2)
        if mark:
            latents[number, 1, y, x] += MARK[" with a crack"]
            marked[number, 4 * y : 4 * y + 4, 4 * x : 4 * x + 4] = True
    return torch.from_numpy(latents), captions, marked


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    """A model whose text encoder has seen such pictures, with the eye that it learnt beside."""
    model = Model.new(SIDE, 0)
    latents, captions, _ = lessons(256, 1)
    work = tmp_path_factory.mktemp("text")
    stage = Stage(steps=250, batch=32, learning_rate=4e-4, warmup=10)
    fit_text(model.text_encoder, latents, model.tokens(captions), 1.0, stage, 0, work)
    kept = load_file(work / "text.safetensors")
    both = Contrast(model.text_encoder, 1.0)
    both.load_state_dict(
        {
            name.removeprefix("average/module."): value
            for name, value in kept.items()
            if name.startswith("average/module.")
        }
    )
    return model, both.eval()


def test_the_text_encoder_learns_small_marks_beside_what_is_everywhere(taught):
    model, both = taught
    latents, captions, _ = lessons(200, 2)
    choices = [surface + mark for surface in BRIGHTNESS for mark in MARK]
    with torch.no_grad():
        found = both(latents, model.tokens(choices)).argmax(1)
    right = [choices[at] == caption for at, caption in zip(found, captions, strict=True)]
    assert np.mean(right) > 0.9  # by chance 0.25


def test_words_stay_apart_in_every_state_that_the_denoiser_reads(taught):
    model, _ = taught
    prompts = ["a bright surface", "a bright surface with a crack", "a dark surface"]
    with torch.no_grad():
        states = model.text_encoder(model.tokens(prompts))[0]
    end = states[:, -1]
    assert torch.cdist(end, end)[0, 1] > 0.3 * torch.cdist(end, end)[0, 2]


def test_captions_that_are_equal_are_not_held_against_each_other(taught):
    model, both = taught
    latents, captions, _ = lessons(64, 3)
    assert len(set(captions)) == 4
    # Sixteen pictures to a caption: told from one another in vain the loss would be log 16 or more.
    with torch.no_grad():
        assert _loss(both, latents, model.tokens(captions)) < 1


def test_the_denoiser_s_training_leaves_the_text_encoder_as_it_is(taught, tmp_path):
    model, _ = taught
    latents, captions, marked = lessons(16, 4)
    before = {name: one.clone() for name, one in model.text_encoder.state_dict().items()}
    stage = Stage(steps=2, batch=4, learning_rate=1e-3)
    fit_denoiser(model, latents, marked, captions, stage, 0, tmp_path)
    after = model.text_encoder.state_dict()
    assert all(torch.equal(one, after[name]) for name, one in before.items())


def test_cells_beside_marks_are_those_that_touch_them():
    marked = np.zeros((2, 16, 16), bool)
    marked[0, 5, 6] = True
    found = beside(marked)
    assert found.shape == (2, 1, 4, 4)
    expected = np.zeros((4, 4))
    expected[0:3, 0:3] = 1
    assert np.array_equal(found[0, 0], expected)
    assert not found[1].any()


def test_what_a_caption_is_worth_is_measured_with_the_same_noise(taught):
    model, _ = taught
    latents, captions, marked = lessons(40, 5)
    told = caption_gain(model, latents, marked, captions, 0)
    assert told == caption_gain(model, latents, marked, captions, 0)
    bare = [one.split(" with ")[0] for one in captions]
    untold = caption_gain(model, latents, marked, bare, 0)
    assert untold.marked == untold.untold == pytest.approx(told.untold)
    same = caption_gain(model, latents, marked, ["a surface"] * len(captions), 0)
    assert same.own == same.other
