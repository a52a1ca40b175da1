"""Defects that are patches: pits, spalls and burns."""

import numpy as np

from components.data_versioning.borescope.noise import between, ramp
from components.data_versioning.borescope.part import Drawn, drawn, noise, part_around, strength
from components.data_versioning.borescope.wall import Wall


def pit(wall: Wall, rng: np.random.Generator, row: float, column: float) -> Drawn:
    """A small corroded crater."""
    radius = between(rng, 5.5, 12.0)
    part = part_around(row, column, radius * 2.4, radius * 2.4)
    stretch = between(rng, 0.75, 1.3)
    distance = np.sqrt(part.y * part.y * stretch + part.x * part.x / stretch)
    distance = distance / radius + 0.16 * noise(rng, part, 3, 3)
    open_wall = 1.0 - wall.opening[part.where]
    opacity = ramp(distance, 1.12, 0.88) * open_wall
    contrast = strength(rng)
    rust = ramp(distance, 1.8, 0.9) * open_wall
    wall.paint(part.where, 0.35 * contrast * rust, (0.38, 0.22, 0.11))
    wall.paint(part.where, 0.85 * contrast * opacity, (0.11, 0.07, 0.05))
    wall.height[part.where] -= 0.8 * radius * contrast * ramp(distance, 1.15, 0.1)
    wall.gloss[part.where] *= 1.0 - 0.7 * opacity
    return drawn(1, part, opacity)


def spall(wall: Wall, rng: np.random.Generator, row: float, column: float) -> Drawn:
    """A patch where the surface has come off."""
    reach = between(rng, 24.0, 62.0)
    part = part_around(row, column, reach * 1.7, reach * 1.7)
    stretch = between(rng, 0.55, 1.8)
    distance = np.sqrt(part.y * part.y * stretch + part.x * part.x / stretch) / reach
    edge = 1.0 - distance + 0.20 * noise(rng, part, 5, 4)
    open_wall = 1.0 - wall.opening[part.where]
    soft = 0.9 / reach
    opacity = ramp(edge, -soft, soft) * open_wall
    contrast = strength(rng)
    grain = noise(rng, part, 22, 3)
    tone = np.clip(1.0 + 0.18 * grain, 0.5, 1.5)
    # Under a coating lies the dark bond coat; torn metal differs from an old surface.
    bright = wall.colour[int(row), int(column), 1] > 0.42
    bare = (0.33, 0.28, 0.25) if wall.coated or bright else (0.64, 0.62, 0.58)
    colour = tone[..., None] * np.array(bare)
    view = wall.colour[part.where]
    view += (0.9 * contrast * opacity)[..., None] * (colour - view)
    # The step at the rim catches the light on one side and throws a shadow on the other.
    deep = 4.5 * contrast
    wall.height[part.where] += opacity * 0.8 * grain - deep * ramp(edge, -2.5 * soft, 4.0 * soft)
    rim = opacity * ramp(edge, 5.0 * soft, 0.0)
    wall.paint(part.where, 0.5 * contrast * rim, (0.17, 0.14, 0.12))
    wall.gloss[part.where] *= 1.0 - 0.6 * opacity
    return drawn(2, part, opacity)


def burn(wall: Wall, rng: np.random.Generator, row: float, column: float) -> Drawn:
    """A scorched patch with a charred core."""
    reach = between(rng, 26.0, 66.0)
    part = part_around(row, column, reach * 2.1, reach * 2.1)
    stretch = between(rng, 0.6, 1.7)
    distance = np.sqrt(part.y * part.y * stretch + part.x * part.x / stretch) / reach
    rough = noise(rng, part, 4, 5)
    edge = 1.0 - distance + 0.20 * rough
    open_wall = 1.0 - wall.opening[part.where]
    opacity = ramp(edge, -0.05, 0.22) * open_wall
    contrast = strength(rng)
    # Heat tints run ahead of the burn itself.
    blue = ramp(edge, -0.7, -0.25) * ramp(edge, 0.10, -0.15) * open_wall
    straw = ramp(edge, -1.0, -0.6) * ramp(edge, -0.2, -0.5) * open_wall
    wall.paint(part.where, 0.26 * contrast * straw, (0.56, 0.40, 0.18))
    wall.paint(part.where, 0.22 * contrast * blue, (0.25, 0.26, 0.40))
    wall.paint(part.where, 0.78 * contrast * opacity, (0.21, 0.115, 0.05))
    core = ramp(edge + 0.16 * noise(rng, part, 12, 4), 0.08, 0.5) * open_wall
    wall.paint(part.where, 0.88 * contrast * core, (0.03, 0.027, 0.027))
    ash = core * ramp(noise(rng, part, 20, 4), 0.7, 2.6)
    wall.paint(part.where, 0.45 * contrast * ash, (0.36, 0.31, 0.27))
    wall.height[part.where] += core * 0.8 * noise(rng, part, 18, 3)
    wall.gloss[part.where] *= 1.0 - 0.9 * opacity
    return drawn(3, part, opacity)
