"""What the KFP UI shows of a step."""

import html
from html.parser import HTMLParser
from pathlib import Path

from components.viewer import page, readme, table

ABOUT = "# step\n\nTakes `a < b` & writes </pre>.\n\n| column | meaning |\n|---|---|"


class _Text(HTMLParser):
    """The text of an element, as a browser shows it, and the elements around it."""

    def __init__(self, element: str) -> None:
        super().__init__()
        self._element = element
        self._open: list[str] = []
        self.text = ""
        self.around: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("meta", "img"):
            self._open.append(tag)
        if tag == self._element:
            self.around = self._open[:-1]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._element in self._open:
            self.text += data


def _preformatted(text: str) -> _Text:
    found = _Text("pre")
    found.feed(text)
    found.close()
    return found


def test_the_readme_of_a_step_is_found_from_any_module_of_its_folder() -> None:
    steps = Path(__file__).parents[2] / "components"
    written = (steps / "valvano" / "synthesis" / "README.md").read_text().strip()

    assert readme("components.valvano.synthesis.plan") == written
    assert readme("components.valvano.synthesis.merge") == written
    assert readme("components.textures.draw") == "", "it has none"
    assert readme("alone") == ""


def test_a_page_ends_with_the_readme_as_it_is_written(tmp_path: Path) -> None:
    shown = _preformatted(page(tmp_path, "step 10 %", {"n": 1.0}, [], ABOUT))

    assert shown.text == ABOUT
    assert shown.around == ["html", "body", "details"]


def test_a_page_of_the_step_s_own_keeps_all_it_has(tmp_path: Path) -> None:
    own = "<!doctype html><html><body><h1>verdict</h1>\n</body></html>\n"
    (tmp_path / "report.html").write_text(own)

    text = page(tmp_path, "report", {}, [], ABOUT)

    assert _preformatted(text).text == ABOUT
    assert text.startswith("<!doctype html><html><body><h1>verdict</h1>\n<details>")
    assert text.endswith("</details></body></html>\n")
    assert page(tmp_path, "report", {}, []) == own


def test_a_page_without_an_end_of_its_body_gets_the_readme_too(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("<p>verdict")

    assert html.escape(ABOUT) in page(tmp_path, "report", {}, [], ABOUT)


def test_a_table_has_numbers_words_and_sentences_and_then_the_readme() -> None:
    text = table("step", {"n": 2.0, "map": float("nan"), "run": "a|b"}, ["few\nphotos"], ABOUT)

    assert text == (
        "# step\n\n> few photos\n\n| what | value |\n|---|---|\n| n | 2 |\n"
        f"| map | not measured |\n| run | a/b |\n\n---\n\n{ABOUT}\n"
    )
    assert table("step", {}, []).endswith("|---|---|\n")
    assert table("step", {}, [], "It\n\n- a - b;\n- c.").endswith("It\n\n- • a - b;\n- • c.\n")


def test_names_and_sentences_of_a_table_are_no_markup() -> None:
    said = "set fid_evaluation.weights, or read [this] at https://host/a_b_c, or `x_y_z`"

    text = table("mask_rcnn 1 %", {"ap50_real_0": "a*b*"}, [said])

    assert text == (
        "# mask\\_rcnn 1 %\n\n"
        "> set fid\\_evaluation.weights, or read \\[this\\] at https://host/a_b_c, or `x_y_z`\n\n"
        "| what | value |\n|---|---|\n| ap50\\_real\\_0 | a\\*b\\* |\n"
    )
