"""Tokenizers: read from a folder or trained on texts, and refused where a model could not learn with them."""

from __future__ import annotations

import json
import unicodedata
from typing import TYPE_CHECKING, Any

from trainer.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tokenizers import Tokenizer

END_OF_TEXT = "<|endoftext|>"
ENDS = (END_OF_TEXT, "<s>", "</s>", "<|begin_of_text|>", "[BOS]", "[EOS]")
"""Tokens that stand between texts, as published tokenizers call them."""
TOKENIZER_FILES = (("tokenizer.json",), ("vocab.json", "merges.txt"))
TRIED_TEXTS, TRIED_CHARACTERS = 50, 2000
TRIAL = "Hello world"


def trained_tokenizer(texts: Sequence[str], vocabulary: int) -> Tokenizer:
    """Byte-level BPE trained on texts (Sennrich et al. 2016; Radford et al. 2019): it has a token for every byte."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def read_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a folder: `tokenizer.json`, or `vocab.json` and `merges.txt` as GPT-2's is published.

    Raises ConfigurationError where there is none, or where it is empty.
    """
    if not any(all((folder / name).is_file() for name in names) for names in TOKENIZER_FILES):
        raise ConfigurationError(
            f"{folder}: there is no tokenizer: neither tokenizer.json nor vocab.json and merges.txt; a tokenizer of "
            "transformers writes the first with save_pretrained"
        )
    try:
        tokenizer = _read(folder)
    except Exception as error:  # what the library raises has no class of its own
        raise ConfigurationError(f"{folder}: the tokenizer cannot be read: {error}; fetch it again") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    if not tokenizer.encode(TRIAL, add_special_tokens=False).ids:
        raise ConfigurationError(
            f"{folder}: the tokenizer is empty: it has {tokenizer.get_vocab_size()} entries and no token for "
            f"{TRIAL!r}; fetch it again"
        )
    return tokenizer


def _read(folder: Path) -> Tokenizer:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    whole, vocabulary, merges = folder / "tokenizer.json", folder / "vocab.json", folder / "merges.txt"
    if whole.is_file():
        return Tokenizer.from_file(str(whole))
    tokenizer = Tokenizer(models.BPE.from_file(str(vocabulary), str(merges)))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    if tokenizer.token_to_id(END_OF_TEXT) is not None:
        tokenizer.add_special_tokens([END_OF_TEXT])
    return tokenizer


def start_token(tokenizer: Tokenizer, config: dict[str, Any], where: str) -> int:
    """The token between texts: the one that a model's configuration names, else one that is called so.

    Raises ConfigurationError where there is none.
    """
    named = [config.get(name) for name in ("bos_token_id", "eos_token_id")]
    known = [one for one in named if isinstance(one, int) and tokenizer.id_to_token(one) is not None]
    called = [found for name in ENDS if (found := tokenizer.token_to_id(name)) is not None]
    if not known and not called:
        raise ConfigurationError(
            f"{where}: the tokenizer has no token that begins or ends a text; add one of {', '.join(ENDS)}"
        )
    return int([*known, *called][0])


def refuse_lossy(tokenizer: Tokenizer, texts: Sequence[str], where: str) -> None:
    """Raise ConfigurationError if some texts do not come back from their tokens.

    A tokenizer that makes one token of all that it does not know makes texts likelier than they are, so that its models
    would win any comparison.
    """
    for place, text in enumerate(texts[:TRIED_TEXTS]):
        asked = text[:TRIED_CHARACTERS]
        back = tokenizer.decode(tokenizer.encode(asked, add_special_tokens=False).ids, skip_special_tokens=False)
        if _letters(back) != _letters(asked):
            raise ConfigurationError(
                f"{where}: the tokenizer loses a part of text {place + 1}: {_first_difference(asked, back)}; figures "
                "of its models could not be compared: use one that has a token for every byte"
            )


def _letters(text: str) -> str:
    return "".join(unicodedata.normalize("NFC", text).split())


def _first_difference(asked: str, back: str) -> str:
    ours, theirs = _letters(asked), _letters(back)
    at = next(
        (place for place, (one, other) in enumerate(zip(ours, theirs, strict=False)) if one != other), len(theirs)
    )
    return f"{ours[at : at + 20]!r} becomes {theirs[at : at + 20]!r}"


def config_of(folder: Path) -> dict[str, Any]:
    """What `config.json` of a folder says; empty where there is none."""
    file = folder / "config.json"
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return found
