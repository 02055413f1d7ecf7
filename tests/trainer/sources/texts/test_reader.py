"""Documents in plain text files: articles, blocks of lines, or files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.world import PROJECT
from trainer.errors import ConfigurationError, DataValidationError
from trainer.pipeline import TextSource
from trainer.sources.readers import read_source
from trainer.sources.texts.documents import articles, blocks

WIKITEXT = PROJECT / ".data" / "wikitext-2"
TWO_ARTICLES = " \n = One = \n \n It is . \n \n = = Part = = \n \n More . \n = 1 = 2 = \n \n = Two = \n \n Other . \n"


def test_a_heading_between_blank_lines_begins_an_article() -> None:
    found = [*articles(TWO_ARTICLES, "file")]
    assert "".join(f"{one}\n" for one in found) == TWO_ARTICLES.removeprefix(" \n") + "\n"
    assert [one.split("\n")[0] for one in found] == [" = One = ", " = Two = "]
    assert "= = Part = =" in found[0], "a section is not an article"
    assert [*articles("before\n\n= A =\n\na", "file")] == ["before\n", "= A =\n\na"], "nothing is lost"


def test_a_text_without_a_heading_has_no_articles() -> None:
    with pytest.raises(DataValidationError, match=r"notes\.txt: no line is a heading such as `= Title =`.*blocks"):
        [*articles("a line\n\nanother", "notes.txt")]


def test_blank_lines_divide_blocks() -> None:
    assert [*blocks("\n a\nb \n \t\n\n c\n\n\n", "file")] == [" a\nb ", " c"]
    assert [*blocks(" \n\n ", "file")] == []


def test_the_part_is_the_name_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_bytes(b"\xef\xbb\xbfone\r\n\r\ntwo\n")
    (tmp_path / "test.txt").write_text("three")
    (tmp_path / "notes.csv").write_text("skipped")
    rows, lineage = read_source(TextSource(uri=str(tmp_path)))
    assert rows.rows() == [
        ("test/000000", "test", "three"), ("train/000000", "train", "one"), ("train/000001", "train", "two"),
    ]  # fmt: skip
    assert lineage.kind == "text"


def test_a_file_may_be_a_document(tmp_path: Path) -> None:
    for name in ("a/x.txt", "a/y.md", "b/x.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"{name}\n\nend")
    rows, _ = read_source(TextSource(uri=f"{tmp_path}/*/*", documents="files", rename={"part": "set"}))
    assert rows["id"].to_list() == ["a/x", "a/y", "b/x"]
    assert rows["set"].to_list() == ["a", "a", "b"]
    assert rows["text"][0] == "a/x.txt\n\nend"


def test_what_is_not_utf_8_is_named_by_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("one\ntwo \xe9".encode("latin-1"))
    with pytest.raises(
        DataValidationError, match=r"a\.txt: line 2 is not UTF-8: byte 0xe9 at 8; save the file as UTF-8"
    ):
        read_source(TextSource(uri=str(tmp_path / "a.txt")))


def test_a_checksum_is_of_one_file(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(name)
    with pytest.raises(ConfigurationError, match="source.sha256 is of one file, and .* names 2"):
        read_source(TextSource(uri=str(tmp_path), sha256="a" * 64))


@pytest.mark.skipif(not WIKITEXT.is_dir(), reason="the published files are not here: make data")
def test_the_published_files_have_720_articles() -> None:
    rows, _ = read_source(TextSource(uri=str(WIKITEXT), documents="articles"))
    assert dict(rows["part"].value_counts().rows()) == {"train": 600, "valid": 60, "test": 60}
    words = int(rows["text"].str.count_matches(r"\S+|\n").sum()) + rows.height
    assert abs(words - (2_088_628 + 217_646 + 245_569)) <= 3, (
        "all words and line ends, but for the first line of each file"
    )
