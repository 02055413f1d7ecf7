"""Tokenizers: read, trained, and refused where no model could learn with them."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("tokenizers", reason="tokenizers is not installed: make setup-deep")

from tests.trainer.training.networks.language import texts
from tests.world import PROJECT
from trainer.errors import ConfigurationError
from trainer.training.networks.tokenizer import (
    END_OF_TEXT,
    read_tokenizer,
    refuse_lossy,
    start_token,
    trained_tokenizer,
)

GPT2 = PROJECT / ".data" / "gpt2_tokenizer"


@pytest.mark.skipif(not GPT2.is_dir(), reason="the published files are not here: make data")
def test_gpt_2s_published_files_give_its_tokens() -> None:
    tokenizer = read_tokenizer(GPT2)
    assert tokenizer.get_vocab_size() == 50_257
    assert tokenizer.encode("Hello world").ids == [15496, 995]
    assert tokenizer.decode([15496, 995]) == "Hello world"
    assert start_token(tokenizer, {}, "here") == 50_256
    assert tokenizer.encode(f"a{END_OF_TEXT}").ids == [64, 50_256]


def test_a_trained_tokenizer_has_a_token_for_every_byte() -> None:
    first, again = (trained_tokenizer(texts(), 280) for _ in range(2))
    assert first.to_str() == again.to_str()
    assert first.get_vocab_size() == 280
    strange = "\x00 ünïcode 漢字 🙂\n\t"
    assert first.decode(first.encode(strange).ids) == strange
    refuse_lossy(first, [strange, *texts()], "here")
    assert first.token_to_id(END_OF_TEXT) == start_token(first, {"bos_token_id": 99_999}, "here"), "an id that is none"


def test_a_tokenizer_that_cuts_long_texts_is_read_without_that(tmp_path: Path) -> None:
    tokenizer = trained_tokenizer(texts(), 280)
    tokenizer.enable_truncation(3)
    tokenizer.enable_padding(length=50)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    assert len(read_tokenizer(tmp_path).encode("the cat sat on the mat and ran").ids) > 3


def test_what_is_unknown_may_not_become_one_token() -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = Tokenizer(models.WordLevel({"<unk>": 0, "the": 1, "cat": 2}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    refuse_lossy(words, ["the cat"], "here")
    with pytest.raises(ConfigurationError, match="here: the tokenizer loses a part of text 2: 'dog' becomes '<unk>'"):
        refuse_lossy(words, ["the cat", "the dog"], "here")
    with pytest.raises(ConfigurationError, match="has no token that begins or ends a text; add one of <|endoftext|>"):
        start_token(words, {}, "here")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "there is no tokenizer: neither tokenizer.json nor vocab.json and merges.txt"),
        ({"vocab.json": "{}"}, "there is no tokenizer"),
        (
            {"vocab.json": "{}", "merges.txt": "#version: 0.2\n"},
            "the tokenizer is empty: it has 0 entries and no token for",
        ),
        ({"tokenizer.json": '{"version"'}, "the tokenizer cannot be read"),
    ],
    ids=["nothing", "half", "empty", "cut off"],
)
def test_a_folder_without_a_tokenizer_is_refused(files: dict[str, str], message: str, tmp_path: Path) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(ConfigurationError, match=message):
        read_tokenizer(tmp_path)
