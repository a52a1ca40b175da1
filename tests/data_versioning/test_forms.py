"""Every folder form gives the same photos and the same defects."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from photos import write
from PIL import Image as Pillow
from pycocotools import mask as rle

from components.data_versioning.entry import is_clean, role_of
from components.data_versioning.inspect import Survey, inspect, survey
from components.data_versioning.problems import BadData
from components.data_versioning.settings import DataSettings
from components.dataset import Image, read_image
from components.instances import Mask, connected

Shot = tuple[str, Image, Mask]
"""Class, or nothing if defect-free; picture; mask."""


def shots_of(folder: Path) -> list[Shot]:
    shots: list[Shot] = []
    for path in sorted((folder / "images").glob("*/*.png")):
        picture = read_image(path)
        mask = folder / "masks" / path.parent.name / path.name
        marked = (
            cv2.imread(str(mask), 0) > 0 if mask.exists() else np.zeros(picture.shape[:2], bool)
        )
        shots.append((path.parent.name if marked.any() else "", picture, marked))
    return shots


def as_class_folders(root: Path, shots: list[Shot]) -> None:
    for number, (name, picture, mask) in enumerate(shots):
        place = root / f"XY_{name or 'Free'}" / "Imgs" / f"exp_{number}"
        # A lossless stand-in for the .jpg that is usual in this form.
        write(place.with_suffix(".bmp"), picture)
        write(place.with_suffix(".png"), mask.astype(np.uint8) * 255)


def as_suffixes(root: Path, shots: list[Shot]) -> None:
    for number, (_, picture, mask) in enumerate(shots):
        write(root / f"{number}.png", picture)
        write(root / f"{number}_GT.png", mask.astype(np.uint8) * 255)


def as_suffixes_in_parts(root: Path, shots: list[Shot]) -> None:
    as_suffixes(root / "train", shots[::2])
    as_suffixes(root / "test", shots[1::2])


def as_mvtec(root: Path, shots: list[Shot]) -> None:
    for number, (name, picture, mask) in enumerate(shots):
        part = "train" if not name and number % 2 else "test"
        write(root / part / (name or "good") / f"{number:03d}.png", picture)
        if name:
            place = root / "ground_truth" / name / f"{number:03d}_mask.png"
            write(place, mask.astype(np.uint8) * 255)


def as_pairs(root: Path, shots: list[Shot]) -> None:
    for number, (name, picture, mask) in enumerate(shots):
        write(root / "images" / f"{number}.png", picture)
        write(root / "masks" / (name or "crack") / f"{number}_mask.png", mask.astype(np.uint8))


def as_pairs_in_parts(root: Path, shots: list[Shot]) -> None:
    for number, (name, picture, mask) in enumerate(shots):
        part = root / ("train", "val", "test")[number % 3]
        write(part / "images" / (name or "ok") / f"{number}.png", picture)
        if name:
            write(part / "masks" / name / f"{number}.png", mask.astype(np.uint8) * 255)


def as_folders_of_masks(root: Path, shots: list[Shot]) -> None:
    """Photos in folders of parts and classes, their masks in folders below, as DAGM's are."""
    for number, (name, picture, mask) in enumerate(shots):
        part = root / (name or "NODefect_images") / ("Train", "Val", "Test")[number % 3]
        write(part / f"{number:04d}.png", picture)
        if name:
            write(part / "Label" / f"{number:04d}_label.png", mask.astype(np.uint8) * 255)


def as_masks_of_all_classes(root: Path, shots: list[Shot]) -> None:
    """One folder of masks for photos in a folder a class, as AITEX's are."""
    for number, (name, picture, mask) in enumerate(shots):
        write(root / f"{name or 'NODefect'}_images" / f"{number:04d}.png", picture)
        if name:
            write(root / "Mask_images" / f"{number:04d}_mask.png", mask.astype(np.uint8) * 255)


def as_label_maps(root: Path, shots: list[Shot]) -> None:
    """One mask a photo, whose values are numbers of classes, as mmsegmentation has them."""
    for number, (name, picture, mask) in enumerate(shots):
        part = ("training", "validation", "test")[number % 3]
        write(root / "images" / part / f"{number:04d}.png", picture)
        value = {"": 0, "crack": 1, "pit": 3}[name]
        write(root / "annotations" / part / f"{number:04d}.png", mask.astype(np.uint8) * value)
    (root / "classes.txt").write_text("__ignore__\n_background_\ncrack\nrust\npit\n")


PURPLE, RED = (61, 61, 245), (250, 50, 83)


def as_cvat(root: Path, shots: list[Shot]) -> None:
    """Coloured label maps as CVAT exports them, half of them with a palette."""
    for number, (name, picture, mask) in enumerate(shots):
        write(root / "JPEGImages" / f"{number:04d}.png", picture)
        colours = np.zeros((*mask.shape, 3), np.uint8)
        colours[mask] = PURPLE if name == "crack" else RED
        for folder in ("SegmentationClass", "SegmentationObject"):
            path = root / folder / f"{number:04d}.png"
            path.parent.mkdir(exist_ok=True)
            painted = Pillow.fromarray(colours)
            (painted.quantize(4) if number % 2 else painted).save(path)
    lines = ("# label:color_rgb:parts:actions", "background:0,0,0::", "rust:1,2,3::",
             "pit:250,50,83::", "crack:61,61,245::")  # fmt: skip
    (root / "labelmap.txt").write_text("\n".join(lines) + "\n")
    (root / "ImageSets" / "Segmentation").mkdir(parents=True)
    (root / "ImageSets" / "Segmentation" / "default.txt").write_text("0000\n0001\n")


def coco(shots: list[Shot], numbers: range, compressed: bool) -> dict[str, object]:
    images, annotations = [], []
    for number in numbers:
        name, picture, mask = shots[number]
        height, width = picture.shape[:2]
        images.append(
            {"id": number, "file_name": f"{number}.png", "height": height, "width": width}
        )
        for one in connected(mask, 0):
            code = rle.encode(np.asfortranarray(one.mask.astype(np.uint8)))
            counts = code["counts"].decode() if compressed else uncompressed(one.mask)
            annotations.append(
                {"id": len(annotations), "image_id": number, "iscrowd": 0,
                 "category_id": {"crack": 7, "pit": 3}.get(name.lower(), 9),
                 "segmentation": {"size": [height, width], "counts": counts}}
            )  # fmt: skip
    categories = [{"id": 7, "name": "crack"}, {"id": 3, "name": "pit"}, {"id": 1, "name": "none"}]
    return {"images": images, "annotations": annotations, "categories": categories}


def uncompressed(mask: Mask) -> list[int]:
    flat = np.concatenate([[0], mask.T.ravel().astype(np.int8), [1 - int(mask.T.ravel()[-1])]])
    ends = np.flatnonzero(np.diff(flat))
    return np.diff(np.concatenate([[0], ends])).tolist()


def as_coco(root: Path, shots: list[Shot]) -> None:
    for number, (_, picture, _) in enumerate(shots):
        write(root / "images" / f"{number}.png", picture)
    document = coco(shots, range(len(shots)), compressed=True)
    (root / "annotations.json").write_text(json.dumps(document))


def as_coco_in_parts(root: Path, shots: list[Shot]) -> None:
    as_coco(root, shots)
    (root / "annotations.json").unlink()
    for start, part in enumerate(("train", "val", "test")):
        document = coco(shots, range(start, len(shots), 3), compressed=False)
        (root / "annotations").mkdir(exist_ok=True)
        (root / "annotations" / f"instances_{part}.json").write_text(json.dumps(document))


def defects(found: Survey, anonymous: bool) -> dict[str, list[tuple[str, int, object]]]:
    """What was found in each picture: class, area and box of each defect."""
    return {
        fact.content: sorted(
            ("defect" if anonymous else found.reader.classes[one.label], one.area, one.bounds)
            for one in fact.defects
        )
        for fact in found.facts
    }


@pytest.mark.parametrize(
    ("form", "parts"),
    [
        (as_class_folders, set()),
        (as_suffixes, set()),
        (as_suffixes_in_parts, {"train", "test"}),
        (as_mvtec, set()),
        (as_pairs, set()),
        (as_pairs_in_parts, {"train", "val", "test"}),
        (as_folders_of_masks, {"train", "val", "test"}),
        (as_masks_of_all_classes, set()),
        (as_label_maps, {"train", "val", "test"}),
        (as_cvat, set()),
        (as_coco, set()),
        (as_coco_in_parts, {"train", "val", "test"}),
    ],
)
def test_forms_agree(
    form: Callable[[Path, list[Shot]], None], parts: set[str], photo_folder: Path, tmp_path: Path
) -> None:
    form(tmp_path, shots_of(photo_folder))
    expected = survey(photo_folder, DataSettings())
    found = survey(tmp_path, DataSettings())
    anonymous = found.reader.classes == ("defect",)
    assert anonymous == form.__name__.startswith("as_suffixes")
    assert set(found.reader.classes) <= {"crack", "pit", "defect"}
    assert defects(found, anonymous) == defects(expected, anonymous)
    assert {fact.entry.split for fact in found.facts} - {None} == parts


def test_a_folder_of_labels_among_the_images_is_a_class_s(
    photo_folder: Path, tmp_path: Path
) -> None:
    shots = shots_of(photo_folder)
    for number, (name, picture, mask) in enumerate(shots):
        place = f"{'labels' if name else 'good'}/{number}.png"
        write(tmp_path / "images" / place, picture)
        if name:
            write(tmp_path / "masks" / place, mask.astype(np.uint8) * 255)
    found = survey(tmp_path, DataSettings())
    assert sum(bool(fact.defects) for fact in found.facts) == 24
    assert len(found.facts) == 36


def test_label_maps_of_chosen_classes(photo_folder: Path, tmp_path: Path) -> None:
    shots = shots_of(photo_folder)
    as_label_maps(tmp_path, shots)
    found = survey(tmp_path, DataSettings(classes=("pit",)))
    # Photos of cracks alone are left out, not taken for defect-free.
    assert {fact.classes for fact in found.facts} == {(), ("pit",)}
    assert (len(found.facts), found.tiny) == (24, 0)
    both = shots[0][2].astype(np.uint8) | np.roll(shots[0][2], 24, 0).astype(np.uint8) * 2
    write(tmp_path / "annotations" / "training" / "0000.png", both)
    facts = {one.entry.file: one for one in survey(tmp_path, DataSettings()).facts}
    assert facts["images/training/0000.png"].classes == ("crack", "rust")


def test_the_names_of_label_maps_enter_the_digest(photo_folder: Path, tmp_path: Path) -> None:
    as_label_maps(tmp_path, shots_of(photo_folder))
    before = inspect(tmp_path, DataSettings(classes=("pit",)), (1.0,), 0).digest
    (tmp_path / "classes.txt").write_text("split\nrust\npit\n")
    assert inspect(tmp_path, DataSettings(classes=("pit",)), (1.0,), 0).digest != before


def test_a_colour_without_a_name_is_told(photo_folder: Path, tmp_path: Path) -> None:
    as_cvat(tmp_path, shots_of(photo_folder))
    legend = (tmp_path / "labelmap.txt").read_text()
    (tmp_path / "labelmap.txt").write_text(legend.replace("61,61,245", "61,61,246"))
    with pytest.raises(BadData) as caught:
        survey(tmp_path, DataSettings())
    said = {one.problem for one in caught.value.problems}
    assert "label map with the colours 61,61,245, which labelmap.txt does not name" in said


@pytest.mark.parametrize(
    "lines",
    ["crack:1,2,300::", "crack", "background:0,0,0::", "crack:1,2,3::\npit:1,2,3::",
     "crack:0,0,0::", "crack:1,2,3::\ncrack:1,2,4::"],
)  # fmt: skip
def test_a_legend_of_colours_that_is_none(photo_folder: Path, tmp_path: Path, lines: str) -> None:
    as_cvat(tmp_path, shots_of(photo_folder))
    (tmp_path / "labelmap.txt").write_text(lines + "\n")
    with pytest.raises(BadData) as caught:
        survey(tmp_path, DataSettings())
    assert "labelmap.txt" in {one.file for one in caught.value.problems}


def test_folders_named_by_piece_become_one_class(photo_folder: Path, tmp_path: Path) -> None:
    """As the first Kolektor collection has them: a folder a piece, and a mask a photo."""
    shots = shots_of(photo_folder)
    for number, (_, picture, mask) in enumerate(shots):
        place = tmp_path / f"kos{number % 9:02d}" / f"Part{number // 9}"
        write(place.with_suffix(".jpg"), picture)
        write(place.with_name(f"{place.name}_label.bmp"), mask.astype(np.uint8) * 255)
    with pytest.raises(BadData) as caught:
        survey(tmp_path, DataSettings())
    assert any("one_class=NAME" in one.remedy for one in caught.value.problems)
    found = survey(tmp_path, DataSettings(one_class="scar", group_pattern=r"(kos\d+)"))
    assert found.reader.classes == ("scar",)
    assert sum(bool(fact.defects) for fact in found.facts) == 24
    assert len(found.facts) == 36 and len(set(found.groups.values())) == 9
    for form in (as_label_maps, as_coco, as_cvat):
        form(tmp_path / form.__name__, shots)
        one = survey(tmp_path / form.__name__, DataSettings(one_class="scar"))
        assert {fact.classes for fact in one.facts} == {(), ("scar",)}


def test_photos_without_a_mask_are_defect_free_only_if_one_says_so(
    photo_folder: Path, tmp_path: Path
) -> None:
    """As DAGM has them: masks of the photos with defects alone, all in one folder."""
    for number, (name, picture, mask) in enumerate(shots_of(photo_folder)):
        part = ("Train", "Test")[number % 2]
        write(tmp_path / "Class1" / part / f"{number:04d}.PNG", picture)
        if name:
            label = tmp_path / "Class1" / part / "Label" / f"{number:04d}_label.PNG"
            write(label, mask.astype(np.uint8) * 255)
    with pytest.raises(BadData) as caught:
        survey(tmp_path, DataSettings())
    assert len(caught.value.problems) == 12
    assert all("unmarked=defect_free" in one.remedy for one in caught.value.problems)
    found = survey(tmp_path, DataSettings(unmarked="defect_free"))
    assert [bool(fact.defects) for fact in found.facts].count(False) == 12
    assert {fact.entry.split for fact in found.facts} == {"train", "test"}


def test_collections_in_mvtecs_form_are_named(photo_folder: Path, tmp_path: Path) -> None:
    for product in ("bottle", "cable"):
        as_mvtec(tmp_path / product, shots_of(photo_folder))
    with pytest.raises(BadData) as caught:
        survey(tmp_path, DataSettings())
    assert "give the folder of one: bottle, cable" in {one.remedy for one in caught.value.problems}


def test_one_name_is_that_of_all_masks(photo_folder: Path, tmp_path: Path) -> None:
    as_suffixes(tmp_path, shots_of(photo_folder))
    (tmp_path / "classes.txt").write_text("flaw\n")
    found = survey(tmp_path, DataSettings())
    assert found.reader.classes == ("flaw",)
    assert sum(bool(fact.defects) for fact in found.facts) == 24


@pytest.mark.parametrize(
    ("folder", "role", "clean"),
    [
        ("masks", "masks", False), ("Ground Truth", "masks", False), ("train_lab", "masks", False),
        ("Mask_images", "masks", False), ("gt_1", "masks", False), ("test_img", "images", False),
        ("JPEGImages", "images", False), ("Train", "part", False), ("traincrop", "part", False),
        ("testset", "part", False), ("valmasks", "masks", False), ("train2017", "part", False),
        ("trainee", "", False), ("valve", "", False), ("testimages", "images", False),
        ("data", "part", False),
        ("label_torn", "", False), ("ground", "", False), ("crack", "", False), ("7", "", False),
        ("MT_Free", "", True), ("defect-free", "", True), ("No Defects", "", True),
        ("NODefect_images", "", True), ("NOT_OK", "", False), ("not good", "", False),
    ],
)  # fmt: skip
def test_what_a_folder_is_for(folder: str, role: str, clean: bool) -> None:
    assert (role_of(folder), is_clean(folder)) == (role, clean)


def test_coco_categories_keep_the_order_of_their_ids(photo_folder: Path, tmp_path: Path) -> None:
    as_coco(tmp_path, shots_of(photo_folder))
    assert survey(tmp_path, DataSettings()).reader.classes == ("pit", "crack")


def test_coco_polygons(photo_folder: Path, tmp_path: Path) -> None:
    as_coco(tmp_path, shots_of(photo_folder))
    path = tmp_path / "annotations.json"
    document = json.loads(path.read_text())
    for one in document["annotations"]:
        one["segmentation"] = [[10, 10, 20, 10, 20, 30, 10, 30]]
    path.write_text(json.dumps(document))
    for fact in survey(tmp_path, DataSettings()).facts:
        assert all((one.area, one.bounds) == (200, (10, 10, 10, 20)) for one in fact.defects)


def test_classes_select_and_order_and_leave_out_the_rest(photo_folder: Path) -> None:
    found = survey(photo_folder, DataSettings(classes=("pit",)))
    assert {fact.classes for fact in found.facts} == {(), ("pit",)}
    assert len(found.facts) == 24
    assert survey(photo_folder, DataSettings(classes=("pit", "crack"))).reader.classes == (
        "pit",
        "crack",
    )


def test_names_are_never_used_as_they_are(photo_folder: Path, tmp_path: Path) -> None:
    for number, (name, picture, mask) in enumerate(shots_of(photo_folder)):
        # The same stem in two folders, and signs that a shell or a web page would read.
        stem = f"a b;$(x)<i>{number // 2}"
        write(tmp_path / "images" / f"{name or 'good'}" / str(number % 2) / f"{stem}.png", picture)
        if name:
            place = tmp_path / "masks" / name / str(number % 2) / f"{stem}.png"
            write(place, mask.astype(np.uint8) * 255)
    settings = DataSettings(classes=())
    found = survey(tmp_path, settings)
    names = [fact.id for fact in found.facts]
    assert len(set(names)) == 36
    assert all(sign.isalnum() or sign in "_-" for name in names for sign in name)


def test_the_digest_rests_on_names_and_contents_alone(photo_folder: Path, tmp_path: Path) -> None:
    shots = shots_of(photo_folder)
    for folder in ("one", "two"):
        as_pairs(tmp_path / folder, shots)
    one, two = (inspect(tmp_path / folder, DataSettings(), (1.0,), 0) for folder in ("one", "two"))
    assert one == two
    assert (one.photos, one.defect_free) == (36, 12)
    assert one.per_class == {"crack": 12, "pit": 12}
    write(tmp_path / "two" / "images" / "0.png", shots[0][1][::-1])
    assert inspect(tmp_path / "two", DataSettings(), (1.0,), 0).digest != one.digest


def test_an_exif_rotated_photo_and_its_mask_are_turned_upright(
    photo_folder: Path, tmp_path: Path
) -> None:
    shots = [(name, p[:, :40].copy(), m[:, :40].copy()) for name, p, m in shots_of(photo_folder)]
    shots = [("" if not mask.any() else name, p, mask) for name, p, mask in shots]
    as_suffixes(tmp_path, shots)
    upright = survey(tmp_path, DataSettings(smallest_defect=1))
    # Stored turned by 90 degrees against the clock; orientation 6 turns it back.
    for number, (_, picture, mask) in enumerate(shots):
        exif = Pillow.Exif()
        exif[0x0112] = 6
        turned = Pillow.fromarray(np.rot90(picture).copy())
        turned.save(tmp_path / f"{number}.png", exif=exif)
        if number % 2:
            write(tmp_path / f"{number}_GT.png", np.rot90(mask).astype(np.uint8) * 255)
    found = survey(tmp_path, DataSettings(smallest_defect=1))
    assert all((fact.height, fact.width) == (64, 40) for fact in found.facts)
    assert defects(found, True) == defects(upright, True)
