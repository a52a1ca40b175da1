import cv2
import numpy as np
import pytest
import torch
from diffusers import ControlNetModel, DDIMScheduler, StableDiffusionControlNetPipeline

from components.dataset import Image
from components.device import Device, choose
from components.valvano.ground import SEAM, Ground, Kept
from components.valvano.hypernetwork.start import new_control
from components.valvano.parts import Parts, load
from components.valvano.sampler import CPU_BATCH, Request, Sampler, ddim

SIDE = 32


def steered(parts: Parts) -> ControlNetModel:
    """A hypernetwork whose connections are no longer zero."""
    control = new_control(parts, 0).requires_grad_(False).eval()
    torch.manual_seed(1)
    for one in (*control.controlnet_down_blocks, control.controlnet_mid_block):
        torch.nn.init.normal_(one.weight, 0, 0.3)
    torch.nn.init.normal_(control.controlnet_cond_embedding.conv_out.weight, 0, 0.3)
    return control


def requests(count: int) -> list[Request]:
    rng = np.random.default_rng(0)
    return [
        Request(
            ("an image of a sks", "an image of a blob")[number % 2],
            number,
            rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8),
        )
        for number in range(count)
    ]


def drawn(sampler: Sampler, wanted: list[Request]) -> list[Image]:
    found: dict[int, Image] = {}
    sampler.draw_all(range(len(wanted)), wanted.__getitem__, found.__setitem__, "images")
    return [found[number] for number in range(len(wanted))]


def sampler(parts: Parts, control: ControlNetModel | None, **changed) -> Sampler:
    arguments = {"resolution": SIDE, "steps": 4, "guidance": 1.0, "batch": 8} | changed
    scheduler = arguments.pop("scheduler", ddim(parts.scheduler.config))
    return Sampler(parts, scheduler, control=control, **arguments)


@pytest.mark.parametrize(("form", "guidance"), [("tiny", 1.0), ("stable", 3.0)])
def test_images_equal_those_of_the_stock_pipeline(base, form, guidance):
    parts = load(base(form), choose(False))
    control = steered(parts)
    (wanted,) = requests(1)
    pipeline = StableDiffusionControlNetPipeline(
        vae=parts.vae,
        text_encoder=parts.text_encoder,
        tokenizer=parts.tokenizer,
        unet=parts.unet,
        controlnet=control,
        scheduler=DDIMScheduler.from_config(parts.scheduler.config, clip_sample=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    hint = torch.from_numpy(wanted.driver).permute(2, 0, 1)[None] / 255
    stock = pipeline(
        wanted.prompt,
        image=hint,
        num_inference_steps=4,
        guidance_scale=guidance,
        controlnet_conditioning_scale=0.7,
        generator=torch.Generator().manual_seed(wanted.seed),
        height=SIDE,
        width=SIDE,
        output_type="np",
    ).images[0]

    ours = drawn(sampler(parts, control, guidance=guidance, conditioning=0.7), [wanted])[0]
    unsteered = drawn(sampler(parts, control, guidance=guidance, conditioning=0.0), [wanted])[0]

    assert np.abs(stock * 255 - ours).max() < 1.01
    assert np.abs(ours.astype(int) - unsteered).max() > 1


@pytest.mark.parametrize("form", ["tiny", "stable"])
def test_company_place_batch_and_cores_do_not_change_an_image(base, form):
    parts = load(base(form), choose(False))
    control = steered(parts)
    wanted = requests(CPU_BATCH + 3)
    plain = drawn(sampler(parts, control), wanted)

    torch.set_num_threads(3)
    try:
        backwards = drawn(sampler(parts, control, batch=3), wanted[::-1])[::-1]
        alone = drawn(sampler(parts, control), wanted[4:5])
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(1)

    for one, other in zip(plain, backwards, strict=True):
        assert np.array_equal(one, other)
    assert np.array_equal(alone[0], plain[4])
    assert not np.array_equal(plain[0], plain[2])


@pytest.mark.parametrize(("form", "guidance"), [("tiny", 1.0), ("stable", 3.0)])
def test_a_ground_is_kept_outside_the_drawn_area_and_company_does_not_matter(base, form, guidance):
    parts = load(base(form), choose(False))
    control = steered(parts)
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    area = np.zeros((SIDE, SIDE), bool)
    area[1:6, 2:7] = True
    (plain,) = requests(1)
    kept = Request(plain.prompt, plain.seed, plain.driver, Ground(picture, area))
    everything = Request(
        plain.prompt, plain.seed, plain.driver, Ground(picture, ~np.zeros_like(area))
    )
    nothing = Request(plain.prompt, plain.seed, plain.driver, Ground(picture, np.zeros_like(area)))
    drawing = sampler(parts, control, guidance=guidance)

    among, whole, none = drawn(drawing, [kept, everything, nothing])

    # Whole cells of the latents are drawn.
    factor = parts.factor
    cells = area.reshape(SIDE // factor, factor, -1, factor).any((1, 3))
    touched = cells.repeat(factor, 0).repeat(factor, 1)
    assert np.array_equal(none, picture)
    assert not np.array_equal(among[touched], picture[touched])
    assert not np.array_equal(whole[~touched], picture[~touched])
    reach = 2 * SEAM * factor + 1
    far = cv2.dilate(touched.astype(np.uint8), np.ones((reach, reach), np.uint8)) == 0
    assert far.any()
    assert np.array_equal(among[far], picture[far])
    assert np.array_equal(drawn(drawing, [kept])[0], among)
    with pytest.raises(ValueError, match="of all its images or of none"):
        drawing.draw([kept, plain])


def test_a_grounds_grain_is_given_to_the_drawing_and_its_edges_are_not():
    rng = np.random.default_rng(2)
    coded = np.full((1, SIDE, SIDE, 3), 100, np.uint8)
    grain = np.rint(rng.normal(0, 3, (SIDE, SIDE, 1)))
    picture = (110 + grain).astype(np.uint8).repeat(3, 2)
    picture[16, 16] = 250
    inside = torch.ones(1, 1, SIDE // 4, SIDE // 4, dtype=torch.bool)
    nothing = torch.zeros(1)
    begun = picture.copy()
    begun[4] = 20
    kept = Kept(picture[None], nothing, nothing, inside, begun[None], nothing)
    drawing = np.full((1, SIDE, SIDE, 3), 50, np.uint8)

    found = kept.restored(drawing, coded, coded, 1.0)[0].astype(int)

    assert abs(found.mean() - 60) < 1
    assert 1 < found.std() < 4
    assert found[16, 16].max() < 90
    # What was not drawn at all is what it began with, edges and all.
    assert np.array_equal(kept.restored(coded, coded, coded, 0.0)[0], begun)
    half = kept.restored(drawing, coded, coded, 0.5)[0].astype(int)
    assert half[4].mean() < half[8:16].mean() - 30
    inside[:] = False
    assert np.array_equal(kept.restored(coded, coded, coded, 1.0)[0], picture)


def test_the_models_own_scheduler_is_left_as_it_was(base):
    parts = load(base("stable"), choose(False))
    own = sampler(parts, None, scheduler=parts.scheduler)
    wanted = [Request("a surface", 5)]

    assert np.array_equal(drawn(own, wanted)[0], drawn(own, wanted)[0])


def test_a_failing_driver_stops_the_drawing(base):
    parts = load(base("tiny"), choose(False))

    def broken(number: int) -> Request:
        raise ValueError(f"no driver {number}")

    with pytest.raises(ValueError, match="no driver 0"):
        sampler(parts, None).draw_all([0], broken, lambda *_: None, "images")


def test_velocity_models_are_sampled_from_the_last_level():
    ours = {"prediction_type": "v_prediction", "timestep_spacing": "leading"}
    theirs = {"prediction_type": "epsilon", "timestep_spacing": "leading"}

    for config, first in ((ours, 999), (theirs, 900)):
        scheduler = ddim(DDIMScheduler(**config).config)
        scheduler.set_timesteps(10)
        assert scheduler.timesteps[0] == first
        assert not scheduler.config.clip_sample


def test_what_is_to_be_trained_is_not_rounded(base):
    half = Device(torch.device("cpu"), torch.bfloat16)
    exact = load(base("stable"), half, {"unet"})
    whole = load(base("stable"), choose(False))

    for one, other in zip(exact.unet.parameters(), whole.unet.parameters(), strict=True):
        assert torch.equal(one, other)
    for one, other in zip(exact.vae.parameters(), whole.vae.parameters(), strict=True):
        assert torch.equal(one, other)
    assert {one.dtype for one in exact.text_encoder.parameters()} == {torch.bfloat16}
    assert {one.dtype for one in load(base("stable"), half).unet.parameters()} == {torch.bfloat16}
    assert not any(one.requires_grad for one in exact.unet.parameters())


def test_a_large_autoencoder_has_one_picture_in_memory_at_a_time(base):
    parts = load(base("stable"), choose(False))
    seen: list[int] = []
    for part in (parts.vae.encoder, parts.vae.decoder):
        part.register_forward_hook(lambda module, inputs, output: seen.append(len(inputs[0])))

    pictures = [np.full((SIDE, SIDE, 3), level, np.uint8) for level in (0, 100, 200)]
    latents = parts.encode(pictures)
    parts.decode(torch.zeros(3, *parts.latent_shape(SIDE)))

    assert len(latents) == 3
    assert seen == [1] * 6
