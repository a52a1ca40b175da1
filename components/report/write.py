"""The step: write the summary and the page of a whole run."""

from pathlib import Path

from components.dataset import write_image
from components.outcome import Outcome
from components.progress import say
from components.report.inputs import read_run
from components.report.overview import overview
from components.report.page import method_strips, render
from components.report.settings import ReportSettings
from components.report.summary import dump, headline, summarise, verdicts


def write(
    out: Path,
    settings: ReportSettings,
    dataset: Path,
    drivers: Path,
    prior: Path,
    concepts: list[Path],
    controls: list[Path],
    plans: list[Path],
    synthetics: list[Path],
    scores: list[Path],
    qualities: list[Path],
    config: str,
) -> Outcome:
    """Write `summary.json`, `overview.png`, and `report.html`, which needs nothing beside itself.

    Args:
        out: Receives the files.
        settings: The step's settings.
        dataset: The dataset artifact.
        drivers: The drivers of the annotated training frames.
        prior: The class images.
        concepts: The models of phase 1, one a fraction, in any order, like all lists here.
        controls: The hypernetworks of phase 2.
        plans: The plans.
        synthetics: The synthetic sets.
        scores: The segmenters' scores.
        qualities: The synthetic sets' scores.
        config: The whole run's configuration as JSON.

    Raises:
        ValueError: If an artifact lacks what its step documents.
    """
    run = read_run(
        dataset, drivers, prior, concepts, controls, plans, synthetics, scores, qualities, config
    )
    summary = summarise(run)
    page = render(run, summary, settings.samples)
    _write(out / "summary.json", dump(summary))
    _write(out / "report.html", page)
    picture = overview(method_strips(run))
    if picture is not None:
        write_image(out / "overview.png", picture)
    for one in verdicts(run):
        say(f"{one.fraction * 100:g} % of the real photos: {one.word}. {one.sentence}")
    return Outcome(metrics={**headline(run), "page_megabytes": len(page.encode()) / 1e6})


def _write(path: Path, text: str) -> None:
    aside = path.with_suffix(".part")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)
