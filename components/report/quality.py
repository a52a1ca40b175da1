"""Tables of what the synthetic images are worth by themselves."""

from collections.abc import Sequence
from typing import Any

from components.fraction import percent
from components.report import published
from components.report.layout import DASH, Cell, Column, Table, number, table

Entry = dict[str, Any]

_PAPER_ONLY = "the paper's variant, not made in this run"
_NO_PAPER = "the paper does not report it"
_NO_SHARE = "the paper has no experiment with this share of the data"
_TOO_FEW = "too few real training frames"


def distances(summary: Entry) -> Table:
    """The paper's table of FID for this data, with the distances that small sets allow beside it.

    Args:
        summary: The report's summary.
    """
    columns = [Column("real photos", number=False), Column("trained", number=False)]
    for name in _HEADS:
        columns += [Column("synthetic", _HEADS[name][0]), Column("real", _HEADS[name][0])]
        columns += [Column("paper", _HEADS[name][0], quiet=True)] if name == "fid" else []
    printed = {row.fraction: row for row in published.FID if row.full}
    body = []
    for place, entry in enumerate(summary["fid"]):
        cells = [Cell(percent(entry["fraction"])), Cell("concept and condition")]
        for name in _HEADS:
            digits = _HEADS[name][1]
            one = summary[name][place]
            cells.append(number(one["value"], digits, reason=one["reason"] or _TOO_FEW))
            cells.append(number(one["baseline"], digits, reason=one["reason"] or _TOO_FEW))
            if name == "fid":
                theirs = printed.get(entry["fraction"])
                cells.append(number(theirs.fid if theirs else None, 2, reason=_NO_SHARE))
        body.append(cells)
    for row in published.FID:
        if not row.full:
            cells = [Cell(percent(row.fraction)), Cell(row.variant)]
            for name in _HEADS:
                cells += [Cell(DASH, reason=_PAPER_ONLY), Cell(DASH, reason=_PAPER_ONLY)]
                cells += [Cell(f"{row.fid:.2f}")] if name == "fid" else []
            body.append(cells)
    return table(
        "Table 3. Distance to real photos, lower is better",
        columns,
        body,
        [
            (
                "Synthetic: the synthetic images to annotated frames of the validation and the test"
                " part, which no generator saw. Real: real training frames to the same, what a"
                " generator could hope for."
            ),
            *(_sizes(entry) for entry in summary["fid"]),
            (
                "A Fréchet distance grows as sets shrink: with fewer images than features it ranks"
                " sets of one size at best."
            ),
            "The paper measures against its whole training data.",
            *_kept(summary),
        ],
    )


def diversity(summary: Entry) -> Table:
    """The paper's comparison with inpainting for this data: how unlike a driver's samples are.

    Args:
        summary: The report's summary.
    """
    entries = summary["diversity"]
    columns = [
        Column("samples", number=False),
        Column("one driver", "L2 distance, higher is more diverse"),
        Column("unlike drivers", "L2 distance, higher is more diverse"),
        Column("one driver", "mutual information, lower is more diverse"),
        Column("unlike drivers", "mutual information, lower is more diverse"),
    ]
    body = []
    for entry in entries:
        reason = entry["reason"] or "only one driver has samples to compare"
        apart = entry["between_drivers"]
        cells = [Cell(f"{percent(entry['fraction'])} of the real photos")]
        for key in ("l2", "mutual_information"):
            cells.append(number(entry[key], 2, reason=reason))
            cells.append(number(apart[key] if apart else None, 2, reason=reason))
        body.append(cells)
    for row in published.DIVERSITY:
        body.append(
            [
                Cell(f"paper, {row.method}"),
                Cell(f"{row.l2:.2f}"), Cell(DASH, reason=_NO_PAPER),
                Cell(f"{row.mutual_information:.2f}"), Cell(DASH, reason=_NO_PAPER),
            ]
        )  # fmt: skip
    notes = [
        f"{percent(entry['fraction'])}: {entry['drivers']} drivers, {entry['images']} samples,"
        f" {entry['pairs']} pairs, seed {entry['seed']}{_as_norm(entry['l2_norm'])}."
        for entry in entries
    ]
    return table(
        "Table 4. How much the samples of one driver differ",
        columns,
        body,
        [
            (
                "L2: root mean squared difference in grey levels, 0 to 255. Mutual information in"
                " nats. The paper names neither unit, so its figures rank its two methods and no"
                " more. Norm: the length of the difference of two images in 0..1 at 512 px, the"
                " other way to read the paper's L2."
            ),
            *notes,
            "The paper compares 10 samples of 10 drivers at the full data.",
            *_kept(summary),
        ],
    )


def adherence(entries: Sequence[Entry]) -> Table:
    """Is the defect where its mask says it is? Beside it what the judge sees on real photos."""
    columns = [
        Column("images", number=False),
        *(
            Column(name, "the judge")
            for name in ("finds it", "reports it", "right class", "mask IoU", "chance")
        ),
        *(Column(name, "the pixels") for name in ("stand out", "chance")),
        Column("rejected", "accepted by the pixels"),
        Column("of the rest, found", "accepted by the pixels"),
        Column("images"),
    ]
    body = []
    for entry in entries:
        name = f"synthetic, {percent(entry['fraction'])} of the real photos"
        body.append([Cell(name), *_judged(entry), *_accepted(entry), Cell(str(entry["n"]))])
    if entries:
        last = entries[-1]
        real = last["real"]
        why = "real photos are not sorted out"
        body.append(
            [
                Cell("real validation photos", strong=True),
                *_judged({**real, "reason": "the validation part has no annotated frame",
                          "contrast_reason": last["contrast_reason"]}),
                Cell(DASH, reason=why), Cell(DASH, reason=why), Cell(str(real["n"])),
            ]
        )  # fmt: skip
    return table(
        "Is the defect inside its mask?",
        columns,
        body,
        [
            (
                "The judge is a segmenter trained on real photos. It finds a defect when it sees"
                " one in the requested mask, however weakly, but more strongly than in 95 % of the"
                " same masks on defect-free photos; it reports one when it sees it there at its"
                " threshold, which is made for searching whole photos. Chance: how often it reports"
                " one in the same masks on defect-free photos. The pixels: grey level, colour and"
                " grain of the mask differ from those of its surroundings more than in 95 % of the"
                " same masks on defect-free photos. An image that does not stand out, or not by the"
                " margin that the settings ask for, is rejected. " + _left_out(entries)
            ),
            *(
                f"Seed {entry['seed']}; judge's threshold {entry['judge_threshold']:.2f}; it raises"
                f" a false alarm on {_share(entry['real']['false_alarms'])} of"
                f" {entry['real']['n_defect_free']} defect-free validation frames."
                for entry in entries[-1:]
            ),
        ],
    )


def _left_out(entries: Sequence[Entry]) -> str:
    counts = [entry["n_left_out"] for entry in entries]
    if not any(counts):
        return "Nothing was left out of these sets."
    told = ", ".join(
        f"{count} of {entry['n']} at {percent(entry['fraction'])}"
        for entry, count in zip(entries, counts, strict=True)
    )
    return f"Left out, and trained on by nobody: {told}."


def by_class(entries: Sequence[Entry]) -> Table | None:
    """Adherence of every class, or None when nothing was judged."""
    columns = [
        Column("images", number=False), Column("class", number=False),
        Column("judge finds it"), Column("reports it"), Column("right class"), Column("mask IoU"),
        Column("stand out"), Column("images"),
    ]  # fmt: skip
    rows = [(f"synthetic, {percent(entry['fraction'])}", entry, entry) for entry in entries]
    rows += [("real validation photos", entry["real"], entry) for entry in entries[-1:]]
    body = []
    for name, found, entry in rows:
        for defect, judged in found["judge"]["per_class"].items():
            standing = found["contrast"]["per_class"][defect]
            none = "no such image"
            reason = entry["contrast_reason"] or none
            body.append(
                [
                    Cell(name), Cell(defect),
                    number(judged["found"], 3, reason=reason),
                    number(judged["reported"], 3, reason=none),
                    number(judged["right_class"], 3, reason=none),
                    number(judged["iou"], 3, reason=none),
                    number(standing["stands_out"], 3, reason=reason), Cell(str(judged["n"])),
                ]
            )  # fmt: skip
    return table("Adherence of every class", columns, body) if body else None


def tables(summary: Entry) -> list[Table]:
    """All tables of this section."""
    if not summary["fid"]:
        return []
    return [
        adherence(summary["adherence"]), distances(summary), diversity(summary)
    ]  # fmt: skip


def _kept(summary: Entry) -> list[str]:
    """What a reader must know where most of a synthetic image, or its defect, is a photo's."""
    chosen = summary["config"].get("synthesis", {})
    notes = []
    if chosen.get("background") == "photo":
        notes.append(
            "The synthetic images keep a training photo around what was drawn"
            " (synthesis.background=photo), the same one in all samples of a driver: this compares"
            " mostly photos, and says little of the generator. The paper draws whole images."
        )
    if chosen.get("strength", 1) < 1:
        notes.append(
            "The drawings begin with real defects of the fraction's training photos, laid on other"
            f" photos, and change them by {chosen['strength']:.0%} of the noise levels"
            " (synthesis.strength): what adherence and diversity say holds for such images. The"
            " paper draws from noise."
        )
    return notes


def _judged(entry: Entry) -> list[Cell]:
    judged, standing = entry["judge"], entry["contrast"]
    none = entry["reason"] or "no such image"
    reason = entry["contrast_reason"] or none
    return [
        number(judged["found"], 3, reason=reason),
        *(number(judged[key], 3, reason=none) for key in ("reported", "right_class", "iou")),
        number(judged["chance"], 3, reason=reason),
        number(standing["stands_out"], 3, reason=reason),
        number(standing["chance"], 2, reason=reason),
    ]


def _accepted(entry: Entry) -> list[Cell]:
    reason = entry["contrast_reason"] or entry["reason"] or "no image was accepted"
    return [number(entry["accepted"][key], 3, reason=reason) for key in ("rejected", "found")]


def _as_norm(value: float | None) -> str:
    return "" if value is None else f", norm {value:.1f}"


def _share(value: float | None) -> str:
    return DASH if value is None else f"{value * 100:.0f} %"


_HEADS = {
    "fid": ("FID", 2),
    "kid": ("KID", 4),
    "low_layer_fid": ("low-layer FID", 3),
    "texture_frechet": ("texture distance", 2),
}
"""Heading and decimals of every distance."""


def _sizes(entry: Entry) -> str:
    return (
        f"{percent(entry['fraction'])}: {entry['n_synthetic']} synthetic, {entry['n_reference']}"
        f" held-out, {entry['n_train']} training frames, seed {entry['seed']}."
    )
