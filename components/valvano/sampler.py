"""Drawing images: denoising from a seed, in a shape that never changes.

An image must not depend on its company. Networks give an example the same bits in any company as
long as the shape of the batch is the same, and other bits in another shape, because the library
picks its kernels by shape. So every group has the same shape, filled up with copies.

On a CPU the shape is fixed for good, and every group is computed by one thread, with as many
groups at once as there are cores: then neither the number of cores nor the setting `batch`
reaches the bytes, and cores do not wait for each other inside small operations.
"""

import copy
import inspect
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from diffusers import ControlNetModel, DDIMScheduler
from numpy.typing import NDArray
from torch import Tensor, nn

from components.dataset import Image
from components.progress import track
from components.valvano.ground import Ground, encode_grounds
from components.valvano.noise import VELOCITY
from components.valvano.parts import Parts

CPU_BATCH = 8
"""Images that a CPU thread draws at once; a constant, so that it never changes an image."""

T = TypeVar("T")


@dataclass(frozen=True)
class Request:
    """One image to draw.

    Attributes:
        prompt: Text that conditions it.
        seed: Seed of its noise.
        driver: Picture (resolution, resolution, 3) that steers it, where there is a hypernetwork.
        ground: What it keeps; None where all of it is drawn.
    """

    prompt: str
    seed: int
    driver: Image | None = None
    ground: Ground | None = None


def ddim(config: Any) -> DDIMScheduler:
    """A DDIM sampler for a model, from any scheduler's configuration.

    Models that predict the velocity or were trained down to zero SNR must begin at the last
    level, hence trailing time steps (Lin et al. 2023, section 3.3). Latents are never clipped.
    """
    late = config.get("prediction_type") == VELOCITY or config.get("rescale_betas_zero_snr", False)
    spacing = {"timestep_spacing": "trailing"} if late else {}
    return DDIMScheduler.from_config(config, clip_sample=False, **spacing)


class Sampler:
    """Draws images with a model, alone or steered by a hypernetwork."""

    def __init__(
        self,
        parts: Parts,
        scheduler: Any,
        *,
        resolution: int,
        steps: int,
        guidance: float,
        batch: int,
        control: ControlNetModel | None = None,
        conditioning: float = 1.0,
        done: int | None = None,
    ) -> None:
        """Prepare to draw.

        Args:
            parts: The model.
            scheduler: Any of diffusers' schedulers.
            resolution: Side of the images, pixels.
            steps: Denoising steps.
            guidance: Scale of classifier-free guidance; 1 is none and costs half.
            batch: Images of a group on an accelerator.
            control: The hypernetwork.
            conditioning: Scale of its residuals.
            done: How many of the denoising steps are done, the last ones, from what a request's
                ground begins with; all, from noise, when None.
        """
        self.parts = parts
        self.resolution = resolution
        self.guidance = guidance
        self.conditioning = conditioning
        self.shape = parts.latent_shape(resolution)
        self.batch = batch if parts.on.accelerated else CPU_BATCH
        self.scheduler = copy.deepcopy(scheduler)
        self.scheduler.set_timesteps(steps, device=parts.on.device)
        self.left_out = 0 if done is None else steps - done
        self.strength = 1 - self.left_out / steps
        self.control = control
        self.hint: nn.Module | None = None
        if control is not None:
            # What the hypernetwork sees of the driver is the same at every noise level: computed
            # once an image here, and handed through there.
            self.hint = control.controlnet_cond_embedding
            self.control = copy.copy(control)
            self.control._modules = {
                **control._modules,
                "controlnet_cond_embedding": nn.Identity(),
            }
        self._texts: dict[str, Tensor] = {}
        self._lock = threading.Lock()

    @torch.inference_mode()
    def draw(self, requests: Sequence[Request]) -> NDArray[np.uint8]:
        """Draw at most `batch` images, (n, resolution, resolution, 3)."""
        if not 0 < len(requests) <= self.batch:
            raise ValueError(f"{len(requests)} images asked of a group of 1 to {self.batch}")
        filled = [requests[min(place, len(requests) - 1)] for place in range(self.batch)]
        on = self.parts.on
        scheduler = copy.deepcopy(self.scheduler)
        generators = [torch.Generator().manual_seed(one.seed) for one in filled]
        noise = torch.stack([torch.randn(self.shape, generator=one) for one in generators])
        extra = _accepted(scheduler.step, generator=generators)
        text = self._embed([one.prompt for one in filled])
        guided = self.guidance > 1
        if guided:
            text = torch.cat([self._embed([""] * len(filled)), text])
        hint = self._hint(filled)
        if guided and hint is not None:
            hint = torch.cat([hint, hint])
        noise = noise.to(on.device)
        kept = encode_grounds([one.ground for one in filled], noise, self.parts)
        times = list(scheduler.timesteps[self.left_out :])
        latents = noise * scheduler.init_noise_sigma
        if kept is not None and self.left_out:
            latents = kept.noised(kept.start, scheduler, times[0] if times else None)
        levels = [*times[1:], None][: len(times)]
        for time, reached in zip(times, levels, strict=True):
            inputs = torch.cat([latents, latents]) if guided else latents
            inputs = scheduler.scale_model_input(inputs, time).to(on.dtype)
            said = self._predict(inputs, time, text, hint).float()
            if guided:
                without, given = said.chunk(2)
                said = without + self.guidance * (given - without)
            latents = scheduler.step(said, time, latents, **extra).prev_sample
            if kept is not None:
                latents = kept.put_back(latents, scheduler, reached)
        images = self.parts.decode(latents)
        if kept is not None:
            coded = self.parts.decode(kept.clean)
            started = coded if kept.start is kept.clean else self.parts.decode(kept.start)
            images = kept.restored(images, coded, started, self.strength)
        return images[: len(requests)]

    def draw_all(
        self,
        items: Sequence[T],
        realise: Callable[[T], Request],
        keep: Callable[[T, Image], None],
        what: str,
        *,
        done: int = 0,
    ) -> None:
        """Draw an image for every item, in groups.

        While one group is computed the next is realised and the last is kept by other threads,
        so `realise` and `keep` must be safe to call from several.

        Args:
            items: What to draw for.
            realise: Turns an item into a request.
            keep: Receives an item and its image.
            what: Name of the loop in the progress.
            done: Number of images an earlier run has drawn.
        """
        groups = [items[at : at + self.batch] for at in range(0, len(items), self.batch)]
        cores = (
            1 if self.parts.on.accelerated else max(1, min(torch.get_num_threads(), len(groups)))
        )
        # Of an accelerator there is one; the other two threads feed and empty it.
        turns = threading.BoundedSemaphore(cores)
        workers = 3 if self.parts.on.accelerated else cores

        def work(group: Sequence[T]) -> int:
            requests = [realise(one) for one in group]
            with turns:
                images = self.draw(requests)
            for one, image in zip(group, images, strict=True):
                keep(one, image)
            return len(group)

        with self._threads(workers) as pool:
            finished = (one for size in pool.map(work, groups) for one in range(size))
            for _ in track(finished, what, total=done + len(items), done=done, unit="images"):
                pass

    @contextmanager
    def _threads(self, workers: int) -> Iterator[ThreadPoolExecutor]:
        before = torch.get_num_threads()
        alone = None if self.parts.on.accelerated else _alone
        pool = ThreadPoolExecutor(workers, initializer=alone)
        try:
            yield pool
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            torch.set_num_threads(before)

    def _embed(self, prompts: Sequence[str]) -> Tensor:
        # One prompt at a time, so that a text's numbers do not depend on the other texts.
        with self._lock:
            for prompt in dict.fromkeys(prompts):
                if prompt not in self._texts:
                    self._texts[prompt] = self.parts.embed([prompt])
        return torch.cat([self._texts[prompt] for prompt in prompts])

    def _hint(self, requests: Sequence[Request]) -> Tensor | None:
        if self.hint is None:
            return None
        drivers = [one.driver for one in requests if one.driver is not None]
        if len(drivers) < len(requests):
            raise ValueError("a hypernetwork needs a driver for every image; give Request.driver")
        return self.hint(condition(np.stack(drivers), self.parts))

    def _predict(self, inputs: Tensor, time: Tensor, text: Tensor, hint: Tensor | None) -> Tensor:
        if hint is None or self.control is None:
            return self.parts.unet(inputs, time, text, return_dict=False)[0]
        down, middle = self.control(
            inputs, time, text, hint, conditioning_scale=self.conditioning, return_dict=False
        )
        return self.parts.unet(
            inputs,
            time,
            text,
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
            return_dict=False,
        )[0]


def condition(drivers: NDArray[np.uint8], parts: Parts) -> Tensor:
    """Drivers (n, height, width, 3) as the hypernetwork reads them: (n, 3, h, w) in 0 .. 1."""
    values = torch.from_numpy(drivers).to(parts.on.device).permute(0, 3, 1, 2)
    return (values.float() / 255).to(parts.on.dtype)


def _alone() -> None:
    """Let operations of the calling thread start no threads of their own."""
    torch.set_num_threads(1)


def _accepted(function: Callable[..., Any], **arguments: Any) -> dict[str, Any]:
    """Those arguments that the function takes; not every scheduler draws noise."""
    names = inspect.signature(function).parameters
    return {name: value for name, value in arguments.items() if name in names}
