"""Texts changed on purpose."""

from __future__ import annotations

import polars as pl
import pytest

from trainer.evaluation import text_changes
from trainer.evaluation.text_changes import change_texts
from trainer.pipeline import Behaviour

ROWS = pl.DataFrame({"text": ["One two\nthree four", "1", " = A = "], "id": [1, 2, 3]})


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("reversed_words", ["four two\nthree One", " = A = "]),
        ("upper_case", ["ONE TWO\nTHREE FOUR"]),
        ("without_spaces", ["Onetwo\nthreefour", "=A="]),
    ],
)
def test_a_text_that_differs_is_changed(change: str, expected: list[str]) -> None:
    changed = change_texts(Behaviour(name="b", set={"text": change}, expect="unchanged"), ROWS, seed=1)
    differing = [text for text in expected if text not in ROWS["text"]]
    assert changed.rows["text"].to_list() == differing
    assert ROWS[changed.positions]["id"].to_list() == changed.rows["id"].to_list()


def test_words_are_shuffled_by_the_seed_and_some_rows_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_changes, "MOST_TEXTS", 5)
    rows = pl.DataFrame({"text": [" ".join(f"w{n}" for n in range(place, place + 20)) for place in range(30)]})
    expected = Behaviour(name="b", set={"text": "shuffled_words"}, expect="does_not_rise")
    first, again = (change_texts(expected, rows, seed=3) for _ in range(2))
    assert first.rows.equals(again.rows)
    assert len(first.positions) == 5
    assert sorted(first.rows["text"][0].split()) == sorted(rows["text"][int(first.positions[0])].split())
