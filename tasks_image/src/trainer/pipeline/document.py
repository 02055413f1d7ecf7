"""Reading a YAML document into a specification, with errors that a person can act on."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from trainer.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from pydantic_core import ErrorDetails

T = TypeVar("T", bound=BaseModel)

_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _UniqueKeyLoader(_Loader):  # type: ignore[misc,valid-type]
    """A safe loader that refuses a key given twice, where YAML silently takes the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002  (as PyYAML declares it)
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands here twice", key_node.start_mark
                )
            seen.add(key)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return mapping


def parse_yaml(text: str, name: str) -> dict[str, Any]:
    """The mapping in a YAML text; `name` stands in error messages.

    Raises ConfigurationError if the text is no YAML, repeats a key or holds something else than a mapping.
    """
    try:
        document = yaml.load(text, _UniqueKeyLoader)  # noqa: S506  (a safe loader)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{name}: this is no YAML: {error}") from error
    if not isinstance(document, dict):
        raise ConfigurationError(f"{name}: a mapping of keys is needed, this is {type(document).__name__}")
    return document


def read_text(path: str | Path) -> str:
    """The text of a local file; raises ConfigurationError if it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}") from error


def validate(model: type[T], document: dict[str, Any], name: str) -> T:
    """A document as a `model`; raises ConfigurationError with one line per mistake."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        lines = [_explain(model, detail) for detail in error.errors()]
        raise ConfigurationError("\n".join(f"{name}: {line}" for line in lines)) from error


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """`; did you mean 'x'?` if a word close to `word` is allowed, and what is allowed in any case."""
    names = sorted(allowed)
    close = difflib.get_close_matches(word, names, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ";"
    return f"{hint} allowed: {', '.join(names)}"


def _explain(model: type[BaseModel], detail: ErrorDetails) -> str:
    where = ".".join(str(part) for part in detail["loc"]) or "the file"
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "extra_forbidden":
        key = str(detail["loc"][-1])
        return f"{where}: unknown key{did_you_mean(key, _fields_at(model, detail['loc'][:-1]))}"
    if detail["type"] == "missing":
        return f"{where}: is required"
    if detail["type"] == "value_error":
        return f"{where}: {message}"
    return f"{where}: {message[0].lower()}{message[1:]}, not {detail['input']!r:.80}"


def _fields_at(model: type[BaseModel], location: tuple[int | str, ...]) -> set[str]:
    """Names of the fields of the models that a location inside `model` can stand for."""
    candidates: list[Any] = [model]
    for part in location:
        candidates = [inner for candidate in candidates for inner in _step_into(candidate, part)]
    return {name for found in candidates for kind in _models_in(found) for name in kind.model_fields}


def _step_into(annotation: Any, part: int | str) -> list[Any]:
    models = _models_in(annotation)
    named = [kind.model_fields[part].annotation for kind in models if part in kind.model_fields]
    if named:
        return named
    tagged = [kind for kind in models if "KIND" in kind.model_fields and kind.model_fields["KIND"].default == part]
    return tagged or models


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [kind for argument in get_args(annotation) for kind in _models_in(argument)]
