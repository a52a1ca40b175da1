import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from report_run import Inputs, build, record

from components.report.inputs import read_run
from components.report.settings import ReportSettings
from components.report.summary import headline
from components.report.write import write

README = Path(__file__).parents[2] / "components" / "report" / "README.md"
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def inputs(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """A run of two fractions and two seeds over a dataset with a class that is markup."""
    root = tmp_path_factory.mktemp("run")
    renamed = root / "dataset"
    shutil.copytree(dataset, renamed)
    for name in ("dataset.json", "annotations.json", "frames/annotations.json"):
        text = (renamed / name).read_text()
        (renamed / name).write_text(text.replace('"pit"', json.dumps(HOSTILE)))
    for name in ("manifest.parquet",):
        import pandas

        table = pandas.read_parquet(renamed / name)
        table["classes"] = [
            [HOSTILE if one == "pit" else one for one in row] for row in table["classes"]
        ]
        table.to_parquet(renamed / name, index=False)
    return build(root, renamed, (0.5, 1.0), seeds=(0, 1), bootstrap=60)


@pytest.fixture(scope="module")
def written(inputs: Inputs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report")
    write(out, ReportSettings(samples=4), **inputs.__dict__)
    return out


@pytest.fixture(scope="module")
def summary(written: Path) -> dict[str, Any]:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    return json.loads((written / "summary.json").read_text(), parse_constant=refuse)


class Page(HTMLParser):
    """What is in the page: tags that need a partner, links, text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "img", "path", "use", "link", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in {"path", "use"}:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def page(written: Path) -> Page:
    return Page((written / "report.html").read_text().replace("\u00a0", " "))


def test_nothing_but_the_three_files_is_left(written: Path) -> None:
    assert sorted(path.name for path in written.iterdir()) == [
        "overview.png",
        "report.html",
        "summary.json",
    ]


def test_the_headline_is_what_the_summary_says(inputs: Inputs, summary: dict[str, Any]) -> None:
    found = headline(read_run(**inputs.__dict__))

    for one in summary["verdict"]:
        assert found[f"map_{one['fraction'] * 100:g}_difference"] == one["difference"]
    for row in summary["regimes"]:
        name = f"map_{row['fraction'] * 100:g}_{row['regime']}"
        assert found.pop(name) == row["segm_map"]["mean"]
    assert sorted(found) == ["map_100_difference", "map_50_difference"]


def test_the_page_stands_alone(written: Path, page: Page) -> None:
    text = (written / "report.html").read_text()
    assert len(text) < 6_000_000
    assert not page.open
    tags = {tag for tag, _ in page.tags}
    assert "script" not in tags and "link" not in tags and "iframe" not in tags
    for _, attributes in page.tags:
        for name in ("src", "href", "xlink:href", "srcset", "poster"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:image/", "#")), (name, value)
        assert not any(name.startswith("on") for name in attributes)
    style = re.search(r"<style>(.*?)</style>", text, re.S)
    assert style and "url(" not in style[1] and "@import" not in style[1]


def test_names_of_users_are_text(page: Page) -> None:
    assert any(HOSTILE in words for words in page.words)


def test_every_picture_says_what_it_is(page: Page) -> None:
    pictures = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(pictures) > 20
    assert all(one["alt"] for one in pictures)


def test_verdicts_and_warnings_come_before_the_numbers(written: Path, page: Page) -> None:
    text = " ".join(page.words)
    places = [text.index(words) for words in (
        "What synthetic defects were worth", "Read this first", "The data",
        "Segmenters on held-out photos", "Synthetic images beside real ones", "Time and memory",
        "Configuration and provenance",
    )]  # fmt: skip
    assert places == sorted(places)
    assert text.count("The test part is small.") == 1


def test_numbers_of_scores_reach_the_summary(inputs: Inputs, summary: dict[str, Any]) -> None:
    scores = json.loads((inputs.scores[0] / "scores.json").read_text())
    rows = [row for row in summary["segmentation"] if row["fraction"] == 0.5]
    assert rows == scores["rows"]
    assert {(row["fraction"], row["regime"], row["seed"]) for row in summary["segmentation"]} == {
        (fraction, regime, seed)
        for fraction in (0.5, 1.0)
        for regime in ("real", "synthetic", "synthetic_then_real")
        for seed in (0, 1)
    }
    wanted = {"fraction", "regime", "seed", "segm_map", "bbox_map", "iou", "hausdorff", "intervals"}
    assert all(wanted <= set(row) for row in summary["segmentation"])


def test_the_verdict_is_that_of_the_paired_difference(
    inputs: Inputs, summary: dict[str, Any]
) -> None:
    for path, found in zip(inputs.scores, summary["verdict"], strict=True):
        (row,) = [
            row for row in json.loads((path / "scores.json").read_text())["regimes"]
            if row["regime"] == "synthetic_then_real"
        ]  # fmt: skip
        low, high = row["segm_map"]["against_real"]["interval"]
        words = {True: "no measurable difference", False: "helps" if low > 0 else "harms"}
        assert found["verdict"] == words[low <= 0 <= high]
        assert found["interval"] == [low, high]


def test_every_task_is_in_the_timings_once(summary: dict[str, Any]) -> None:
    labels = [row["label"] for row in summary["timings"]]
    assert len(labels) == len(set(labels))
    # data, drivers, base, prior, and of each fraction: dreambooth, hypernetwork, plan, set, six
    # segmenters and two evaluations.
    assert len(labels) == 4 + 2 * 12
    steps = [row["step"] for row in summary["timings"]]
    assert steps.index("base_model") < steps.index("prior") < steps.index("dreambooth")
    assert steps.index("mask_rcnn") < steps.index("iou_evaluation")


def test_warnings_are_grouped(summary: dict[str, Any]) -> None:
    by_text = {one["text"]: one["labels"] for one in summary["warnings"]}
    assert by_text["The test part is small."] == ["iou_evaluation 0.5", "iou_evaluation 1"]


def test_photos_are_counted(inputs: Inputs, summary: dict[str, Any]) -> None:
    data = summary["dataset"]
    assert data["photos"] == 36 and data["annotated"] == 24 and data["defect_free"] == 12
    assert data["classes"] == ["crack", HOSTILE]
    assert sum(part["photos"] for part in data["splits"].values()) == 36
    assert data["splits"]["train"]["annotated"] == 16
    counts = [row["photos"] for row in data["subsets"]]
    assert counts == sorted(counts) and counts[-1] == 16
    assert data["subsets"][-1]["photos_by_class"] == {"crack": 8, HOSTILE: 8}


def test_values_that_are_not_finite_become_null(summary: dict[str, Any]) -> None:
    values = [one["values"] for one in summary["metrics"] if one["step"] == "mask_rcnn"]
    assert values and all(one["val_segm_map"] is None for one in values)


def test_missing_values_are_a_dash_with_the_reason(page: Page) -> None:
    text = " ".join(page.words)
    assert "The Inception weights were not found." in text
    assert "that needs at least 19 defect-free" in text
    assert "nan" not in text.lower().split()


def test_the_paper_stands_beside(page: Page, summary: dict[str, Any]) -> None:
    text = " ".join(page.words)
    assert "Table 1. Segmenters, 100 % of the real photos" in text
    assert "The paper has no experiment with 50 % of its data." in text
    assert "The paper's data is other data" in text
    assert "96.57" in text and "91.36" in text and "0.807" in text
    assert len(summary["paper"]["segmentation"]) == 6


def test_a_kept_background_is_told_beside_the_distances(
    inputs: Inputs, written: Path, tmp_path: Path
) -> None:
    told = "keep a training photo around what was drawn"
    kept = replace(inputs, config=json.dumps({"synthesis": {"background": "photo"}}))
    write(tmp_path, ReportSettings(samples=4), **kept.__dict__)

    assert (tmp_path / "report.html").read_text().count(told) == 2
    assert told not in (written / "report.html").read_text()


def test_drawings_that_begin_with_real_defects_are_told_as_such(
    inputs: Inputs, written: Path, tmp_path: Path
) -> None:
    told = "change them by 35% of the noise levels"
    config = {"synthesis": {"background": "photo", "strength": 0.35}}
    begun = replace(inputs, config=json.dumps(config))
    write(tmp_path, ReportSettings(samples=4), **begun.__dict__)

    assert told in (tmp_path / "report.html").read_text()
    assert "begin with real defects" not in (written / "report.html").read_text()


def test_the_order_of_lists_does_not_matter(inputs: Inputs, written: Path, tmp_path: Path) -> None:
    turned = {
        name: value[::-1] if isinstance(value, list) else value
        for name, value in inputs.__dict__.items()
    }
    write(tmp_path, ReportSettings(samples=4), **turned)
    one, other = (json.loads((path / "summary.json").read_text()) for path in (written, tmp_path))
    for name in one:
        if name not in ("timings", "metrics", "curves", "versions", "warnings"):
            assert one[name] == other[name], name


def test_the_report_is_the_same_every_time(inputs: Inputs, written: Path, tmp_path: Path) -> None:
    write(tmp_path, ReportSettings(samples=4), **inputs.__dict__)
    for name in ("summary.json", "report.html"):
        assert (tmp_path / name).read_bytes() == (written / name).read_bytes()


def test_a_part_without_fraction_is_refused(inputs: Inputs, tmp_path: Path) -> None:
    record(tmp_path, "plan")
    broken = replace(inputs, plans=[tmp_path])
    with pytest.raises(ValueError, match="'plan' names no fraction"):
        read_run(**broken.__dict__)


def test_quality_without_a_documented_part_is_refused(inputs: Inputs, tmp_path: Path) -> None:
    copy = tmp_path / "quality"
    shutil.copytree(inputs.qualities[0], copy)
    content = json.loads((copy / "quality.json").read_text())
    del content["adherence"]
    (copy / "quality.json").write_text(json.dumps(content))
    broken = replace(inputs, qualities=[copy])
    with pytest.raises(ValueError, match="adherence"):
        write(tmp_path, ReportSettings(), **broken.__dict__)


def test_every_key_of_the_summary_is_documented(summary: dict[str, Any]) -> None:
    documented = set(re.findall(r"^\| `([^`]+)` \|", README.read_text(), re.M))
    prefixes = [path for path in documented if path.endswith("*")]
    found = {
        next((one for one in prefixes if path.startswith(one[:-1])), path)
        for path in (as_documented(path, summary) for path in paths(summary, ""))
    }
    assert found - documented == set()
    assert documented - found == set()


def paths(value: Any, prefix: str) -> set[str]:
    """Every key's path, `/` between keys; entries of lists are `[]`."""
    if isinstance(value, dict):
        return set().union(
            *({f"{prefix}{key}"} | paths(one, f"{prefix}{key}/") for key, one in value.items())
        )
    if isinstance(value, list):
        return set().union(*(paths(one, f"{prefix[:-1]}[]/") for one in value))
    return set()


def as_documented(path: str, summary: dict[str, Any]) -> str:
    """The path with the README's words for keys that data or metrics name."""
    metrics = "|".join(sorted(summary["protocol"][0]["definitions"], key=len, reverse=True))
    classes = "|".join(re.escape(name) for name in summary["dataset"]["classes"])
    path = re.sub(rf"/({classes})(?=/|$)", "/<class>", path)
    if path.startswith(("segmentation", "regimes", "protocol")):
        path = re.sub(rf"/({metrics})(?=/|$)", "/<metric>", path)
    path = re.sub(r"^dataset/splits/(train|val|test)", "dataset/splits/<part>", path)
    path = re.sub(r"^(fid|kid|low_layer_fid|texture_frechet)\[\]", "<distance>[]", path)
    path = re.sub(r"^(adherence\[\])/real/(judge|contrast)/", r"\1/\2/", path)
    path = re.sub(r"^(adherence\[\]/\w+)/per_class/<class>/", r"\1/", path)
    return path.replace("/", ".")


def test_the_step_stays_light() -> None:
    code = (
        "import sys, components.report.write;"
        "heavy = {'torch', 'matplotlib', 'diffusers', 'mlflow', 'kfp'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_another_template_is_another_step(monkeypatch: pytest.MonkeyPatch) -> None:
    from components import store

    with_templates = store.digest_code("components.report.write")
    monkeypatch.setattr(store, "_BESIDE", ("*.css",))
    assert store.digest_code("components.report.write") != with_templates
