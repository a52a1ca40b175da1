"""Adherence: what counts as found, and what stands out by more than chance."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from fid_scenes import CLASSES, SIDE, damaged, defect, opened, surface, write_data, write_synthetic
from hypothesis import given
from hypothesis import strategies as st

from components.contrast import differences, looks, standing
from components.fid_evaluation.adherence import measure_adherence
from components.fid_evaluation.examine import examine, look_at_clean, real_samples
from components.fid_evaluation.sightings import gather, weigh
from components.fid_evaluation.verdict import judge
from components.instances import Instance, connected
from components.mask_rcnn.backend import Detection
from components.synthetic import SyntheticSet


def patch(x, y, width, height, label=0, side=64):
    mask = np.zeros((side, side), bool)
    mask[y : y + height, x : x + width] = True
    return Instance(mask, label)


def test_a_crack_one_pixel_beside_its_mask_is_found():
    verdict = judge([patch(10, 20, 30, 1)], [patch(10, 21, 30, 1)])

    assert verdict.reported and verdict.right_class
    assert verdict.iou == 0
    assert verdict.iou_tolerant == pytest.approx(2 / 3, abs=0.1)


def test_a_crack_far_from_its_mask_is_not_found():
    verdict = judge([patch(10, 20, 30, 1)], [patch(10, 40, 30, 1)])

    assert not verdict.reported
    assert verdict.detections == 1


def test_a_detection_of_the_whole_picture_finds_no_small_defect():
    assert not judge([patch(10, 10, 4, 4)], [patch(0, 0, 64, 64)]).reported


def test_the_wrong_class_is_found_but_not_right():
    verdict = judge([patch(10, 10, 8, 8, label=0)], [patch(10, 10, 8, 8, label=1)])

    assert verdict.reported and not verdict.right_class
    assert verdict.iou == 1


def test_instances_are_counted_and_strays_lower_the_iou():
    asked = [patch(5, 5, 6, 6), patch(40, 40, 6, 6)]

    verdict = judge(asked, [patch(5, 5, 6, 6), patch(40, 5, 6, 6)])

    assert (verdict.instances, verdict.instances_reported) == (2, 1)
    assert verdict.iou == pytest.approx(36 / 108)


def test_nothing_detected():
    verdict = judge([patch(5, 5, 6, 6)], [])

    assert not verdict.reported and verdict.iou == 0 and verdict.iou_tolerant == 0


def sighting(score, *where):
    return Detection(0, score, patch(*where).mask, (0, 0, 1, 1))


def test_a_weak_sighting_is_found_where_chance_gives_weaker_ones():
    asked = [patch(20, 20, 8, 8)]
    clean = gather([[sighting(0.01 * place, 20, 20, 8, 8)] for place in range(19)], 64)

    assert weigh(asked, [sighting(0.2, 20, 20, 8, 8)], clean, 0.5).found
    assert not weigh(asked, [sighting(0.18, 20, 20, 8, 8)], clean, 0.5).found
    # Sightings elsewhere say nothing of this place.
    assert not weigh(asked, [sighting(0.9, 40, 40, 8, 8)], clean, 0.5).found


def test_what_is_reported_by_chance_is_the_share_of_frames_at_or_above_the_threshold():
    clean = gather([[sighting(0.5, 20, 20, 8, 8)], [sighting(0.4, 20, 20, 8, 8)], [], []], 64)

    assert weigh([patch(20, 20, 8, 8)], [], clean, 0.5).by_chance == 1 / 4


def test_nothing_is_found_where_chance_gives_as_much_everywhere():
    clean = gather([[sighting(0.3, 20, 20, 8, 8)] for _ in range(99)], 64)

    assert not weigh([patch(20, 20, 8, 8)], [sighting(0.3, 20, 20, 8, 8)], clean, 0.5).found


boxes = st.tuples(*(st.integers(0, 20) for _ in range(2)), *(st.integers(1, 12) for _ in range(2)))


@given(st.lists(boxes, min_size=1, max_size=3), st.lists(st.lists(boxes, max_size=3), max_size=4))
def test_sightings_count_by_the_rule_of_the_verdict(asked, seen):
    requested = [patch(*one, side=33) for one in asked]
    pictures = [
        [Detection(0, 0.1 + 0.2 * place, patch(*one, side=33).mask, (0, 0, 1, 1))
         for place, one in enumerate(some)]
        for some in seen
    ]  # fmt: skip

    strongest = gather(pictures, 33).strongest(requested)

    for found, some in zip(strongest, pictures, strict=True):
        hits = [one.score for one in some if judge(requested, [Instance(one.mask, 0)]).reported]
        assert found == max(hits, default=0)


def test_contrast_by_hand():
    instance = patch(20, 20, 10, 10)
    picture = np.full((64, 64, 3), 100, np.uint8)
    picture[instance.mask] = 60
    other = np.full((64, 64, 3), 100, np.uint8)
    other[instance.mask] = 130

    grey = differences([instance], looks([picture, other]))[:, 0]
    assert grey == pytest.approx([-40, 30])


def test_contrast_of_several_instances_is_weighted_by_area_and_blind_to_the_others():
    large, small = patch(10, 10, 10, 10), patch(24, 10, 5, 5)
    picture = np.full((64, 64, 3), 100, np.uint8)
    picture[large.mask], picture[small.mask] = 60, 200

    # The rings touch the other instance, but leave it out.
    expected = (100 * -40 + 25 * 100) / 125
    assert differences([large, small], looks([picture]))[0, 0] == pytest.approx(expected)


def test_a_mask_that_fills_the_picture_has_no_contrast():
    clean = looks([surface(seed) for seed in range(20)])
    instance = Instance(np.ones((SIDE, SIDE), bool), 0)

    found = standing([instance], surface(99), clean)

    assert np.isnan(found.contrast) and not found.stands_out


def test_defect_free_pictures_stand_out_by_chance_only():
    clean = looks([surface(seed) for seed in range(99)])
    masks = [defect(seed, seed % 2) for seed in range(400)]
    found = [
        standing([Instance(mask, 0)], surface(5000 + seed), clean)
        for seed, mask in enumerate(masks)
    ]
    drawn = standing([Instance(masks[1], 1)], damaged(5000, masks[1]), clean)

    # 400 tries at 5 %: 20, standard deviation 4.4.
    assert 4 <= sum(one.stands_out for one in found) <= 38
    assert np.mean([one.rank for one in found]) == pytest.approx(0.5, abs=0.06)
    assert drawn.stands_out and drawn.rank == 1


def tinted(seed, red):
    """A surface whose colour wanders by `red` from photo to photo and place to place."""
    rng = np.random.default_rng([seed, 3])
    picture = surface(seed).astype(float)
    shade = cv2.GaussianBlur(rng.normal(size=(SIDE, SIDE)), (0, 0), 4)
    picture[..., 0] += red * shade / shade.std()
    picture[..., 2] -= red * shade / shade.std()
    return picture.clip(0, 255).astype(np.uint8)


def seen_at(mask, picture, clean):
    return standing([Instance(mask, 0)], picture, looks(clean))


def test_a_defect_of_the_same_grey_level_stands_out_by_its_colour():
    clean = [tinted(seed, 2) for seed in range(99)]
    mask = patch(10, 10, 8, 8, side=SIDE).mask
    rusty = tinted(500, 2).astype(int)
    rusty[mask] += (30, -18, 15)  # of no grey level
    found = seen_at(mask, rusty.clip(0, 255).astype(np.uint8), clean)

    assert found.contrast < 6
    assert found.stands_out and found.rank == 1


def test_a_defect_of_the_same_grey_level_stands_out_by_its_grain():
    clean = [surface(seed) for seed in range(99)]
    mask = patch(10, 10, 8, 8, side=SIDE).mask
    smooth = surface(500)
    smooth[mask] = smooth[mask].mean(dtype=float)
    found = seen_at(mask, smooth, clean)

    assert found.contrast < 10
    assert found.stands_out


def test_a_margin_asks_for_more_the_fainter_a_defect_is():
    clean = looks([surface(seed) for seed in range(99)])
    instances = [patch(10, 10, 8, 8, side=SIDE)]

    def stands_out(darker, margin):
        picture = surface(500).astype(int)
        picture[instances[0].mask] -= darker
        seen = standing(instances, picture.clip(0, 255).astype(np.uint8), clean, margin)
        assert seen.contrast == pytest.approx(darker, abs=8)
        return seen.stands_out

    least = {
        margin: next(darker for darker in range(0, 200, 2) if stands_out(darker, margin))
        for margin in (1.0, 1.5, 3.0)
    }
    assert 1.2 < least[1.5] / least[1.0] < 1.8
    assert 1.6 < least[3.0] / least[1.5] < 2.4


def test_on_grey_photos_a_faint_tint_is_no_defect():
    clean = [surface(seed) for seed in range(99)]
    mask = patch(10, 10, 8, 8, side=SIDE).mask
    plain = seen_at(mask, surface(500), clean)
    picture = surface(500).astype(int)
    picture[mask] += (6, -4, 5)
    tint = seen_at(mask, picture.astype(np.uint8), clean)

    assert not tint.stands_out
    assert tint.rank == pytest.approx(plain.rank, abs=0.1)


def test_frames_that_are_all_alike_are_no_trouble():
    clean = [np.full((SIDE, SIDE, 3), 90, np.uint8)] * 30
    mask = patch(10, 10, 8, 8, side=SIDE).mask

    assert not seen_at(mask, clean[0], clean).stands_out
    assert seen_at(mask, clean[0], clean).rank == 0.5
    assert seen_at(mask, damaged(1, mask), clean).stands_out


class Dark:
    """A segmenter that finds dark spots: enough of one to judge drawn pictures by."""

    threshold = 0.5

    def detect(self, pictures, batch=16):
        found = []
        for picture in pictures:
            spots = connected(picture.mean(2) < 80, 0, smallest=3)
            found.append([Detection(0, 0.9, one.mask, (0, 0, 1, 1)) for one in spots])
            # Below the threshold, so it must not count.
            found[-1].append(Detection(0, 0.4, np.ones(picture.shape[:2], bool), (0, 0, 32, 32)))
        return found


def test_images_that_ignore_their_masks_are_told_from_those_that_keep_to_them(tmp_path):
    data = opened(write_data(tmp_path / "data"))
    kept = [True] * 30 + [False] * 10
    synthetic = SyntheticSet(write_synthetic(tmp_path / "synthetic", kept))

    entry, found = measure_adherence(data, synthetic, Dark(), 1.0, batch=8, seed=0)

    assert entry["n"] == 40
    assert entry["judge"]["found"] == pytest.approx(0.75, abs=0.05)
    assert entry["judge"]["reported"] == pytest.approx(0.75, abs=0.05)
    assert entry["judge"]["chance"] == 0
    assert entry["contrast"]["stands_out"] == pytest.approx(0.77, abs=0.08)
    assert entry["accepted"]["found"] > 0.9
    assert entry["accepted"]["neither"] >= 7
    both = [entry["accepted"][one] for one in ("both", "judge_only", "contrast_only", "neither")]
    assert sum(both) == 40
    assert entry["real"]["judge"]["found"] > 0.9
    assert entry["real"]["false_alarms"] == 0
    assert entry["real"]["n"] == 12
    sizes = [entry["judge"]["per_class"][name]["n"] for name in CLASSES]
    assert sum(sizes) == 40 and min(sizes) > 0
    assert {one.sample.id for one in found if not one.evidence.found} >= {"00035", "00039"}


class TwoDefects:
    """A dataset whose only frame has a dark pit and a crack that nobody sees."""

    classes = CLASSES

    def instances(self, frame):
        return [patch(4, 4, 8, 8, label=1, side=SIDE), patch(4, 14, 20, 2, label=0, side=SIDE)]

    def image(self, frame):
        return damaged(3, self.instances(frame)[0].mask)


def test_a_class_of_a_real_frame_is_not_found_because_another_is():
    data = TwoDefects()
    samples = real_samples(data, [SimpleNamespace(id="both")])
    clean = look_at_clean(Dark(), [surface(100 + seed) for seed in range(25)], 8)

    crack, pit = examine(samples, Dark(), clean, 8, iter)

    assert (crack.sample.classes, pit.sample.classes) == (("crack",), ("pit",))
    assert pit.evidence.found and pit.verdict.reported and pit.verdict.iou > 0.9
    assert not crack.evidence.found and not crack.verdict.reported
    assert crack.verdict.detections == 0


def test_accepted_are_the_images_that_make_the_set(tmp_path):
    data = opened(write_data(tmp_path / "data"))
    synthetic = SyntheticSet(write_synthetic(tmp_path / "synthetic", [True] * 20, refused=5))

    entry, _ = measure_adherence(data, synthetic, Dark(), 1.0, batch=8, seed=0)

    # All of them stand out; a stricter rule left some of them out.
    assert entry["contrast"]["stands_out"] > 0.9
    assert entry["accepted"]["rejected"] == 0.25
    assert entry["n_left_out"] == 5


def test_no_synthetic_images(tmp_path):
    data = opened(write_data(tmp_path / "data"))
    synthetic = SyntheticSet(write_synthetic(tmp_path / "synthetic", [True]))
    synthetic.__dict__["images"] = []

    entry, found = measure_adherence(data, synthetic, Dark(), 1.0, batch=8, seed=0)

    assert found == [] and entry["n"] == 0
    assert entry["judge"]["found"] is None and entry["accepted"]["share"] is None
    assert entry["reason"]


def test_too_few_defect_free_photos_for_contrast(tmp_path):
    data = opened(write_data(tmp_path / "data", clean=18, annotated=1))
    synthetic = SyntheticSet(write_synthetic(tmp_path / "synthetic", [True] * 4))

    entry, _ = measure_adherence(data, synthetic, Dark(), 1.0, batch=8, seed=0)

    assert "19 defect-free" in entry["contrast_reason"]
    assert entry["accepted"]["share"] is None
    assert entry["judge"]["found"] is None
    assert entry["judge"]["reported"] == 1
