import os
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.base_model.architecture import Model
from components.base_model.tokenizer import LENGTH, tokenizer

WORDS = tokenizer()
CLASSES = ("crack", "scratch", "pit", "spall", "burn", "blowhole", "break", "stain", "dent", "hole")


@pytest.fixture(scope="module")
def model():
    return Model.new(32, 0)


@settings(max_examples=80, deadline=None)
@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz ", min_size=1, max_size=25))
def test_any_prompt_survives_a_round_trip(text):
    numbers = WORDS(text)["input_ids"]
    assert WORDS.decode(numbers, skip_special_tokens=True).split() == text.split()


@settings(max_examples=25, deadline=None)
@given(st.text(min_size=1, max_size=12))
def test_no_character_is_unknown(text):
    end = WORDS.eos_token_id
    assert end not in WORDS(text, add_special_tokens=False)["input_ids"]


def test_two_builds_are_the_same():
    assert tokenizer().get_vocab() == WORDS.get_vocab()


def test_common_words_are_one_token_and_the_method_s_prompt_fits():
    for word in (*CLASSES, "image", "surface", "metal", "without", "borescope"):
        assert len(WORDS.tokenize(word)) == 1, word
    assert len(WORDS("an image of a sks with a delamination_porosity crack")["input_ids"]) <= LENGTH


def test_every_class_word_has_its_own_embedding(model):
    prompts = [f"an image of a sks with a {name} crack" for name in (*CLASSES, "qzx", "qzy")]
    with torch.no_grad():
        states = model.text_encoder(model.tokens(prompts))[0].flatten(1)
    distances = torch.cdist(states, states) + torch.eye(len(prompts)) * 1e3
    assert distances.min() > 0.1


def test_a_word_changes_what_the_denoiser_predicts(model):
    with torch.no_grad():
        states = model.text_encoder(model.tokens(["a dark crack", "a bright stain"]))[0]
        noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
        one, other = (
            model.unet(noise, 500, encoder_hidden_states=state[None]).sample for state in states
        )
    assert not torch.equal(one, other)


def test_another_process_builds_the_same_vocabulary():
    code = (
        "from components.base_model.tokenizer import tokenizer;"
        "print(tokenizer()('an image of a sks with a delamination crack')['input_ids'])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONHASHSEED": "7"},
    )  # fmt: skip
    assert found.stdout.strip() == str(
        WORDS("an image of a sks with a delamination crack")["input_ids"]
    )
