"""How pictures are kept."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from trainer.plots.drawing import COLOURS, Drawing, figure, keep, short, style, wrapped
from trainer.run import RunFolder

EVIL = "<script>alert('$1')</script> & $x_1^2$ \\1"


def kept(tmp_path: Path, name: str = "one") -> str:
    folder = RunFolder.open(str(tmp_path)).at("explain")
    with style():
        made, panel = figure(EVIL)
        panel.plot([0, 1], [0, 1], label=EVIL)
        panel.legend()
        panel.set_xlabel(EVIL)
        keep(folder, Drawing(name, EVIL, EVIL, made))
    return folder.read_text(f"{name}.svg")


def test_an_svg_takes_the_pages_colours_and_says_what_it_shows(tmp_path: Path) -> None:
    svg = kept(tmp_path)
    root = ET.fromstring(svg)  # noqa: S314  (our own)
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == EVIL
    assert "<script" not in svg
    assert "<style" not in svg
    assert f"var(--ink, {COLOURS['ink']})" in svg


def test_two_pictures_on_a_page_share_no_id(tmp_path: Path) -> None:
    roots = [ET.fromstring(kept(tmp_path, name)) for name in ("one", "two")]  # noqa: S314  (our own)
    ids = [{element.attrib["id"] for element in root.iter() if "id" in element.attrib} for root in roots]
    assert ids[0]
    assert not ids[0] & ids[1]


def test_the_same_figure_gives_the_same_bytes(tmp_path: Path) -> None:
    first = kept(tmp_path), (tmp_path / "explain" / "one.png").read_bytes()
    assert (kept(tmp_path), (tmp_path / "explain" / "one.png").read_bytes()) == first


def test_a_script_that_the_font_lacks_is_no_failure(tmp_path: Path) -> None:
    with style():
        made, panel = figure("名前")
        panel.set_xlabel("顧客")
        assert keep(RunFolder.open(str(tmp_path)).at("explain"), Drawing("x", "名前", "", made)).name == "x"


@pytest.mark.parametrize(("label", "text"), [("a\nb", "a b"), ("x" * 40, "x" * 25 + "…")])
def test_labels_are_short(label: str, text: str) -> None:
    assert short(label) == text


def test_titles_are_wrapped() -> None:
    assert max(map(len, wrapped("word " * 30, 4.8).splitlines())) <= 51
