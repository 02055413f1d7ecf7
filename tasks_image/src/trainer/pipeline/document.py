"""Reading a YAML document into a specification, with errors that a person can act on."""

from __future__ import annotations

import difflib
import re
import types
from collections import defaultdict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from trainer.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic_core import ErrorDetails

T = TypeVar("T", bound=BaseModel)

_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PlainDumper: type[yaml.SafeDumper] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
LONGEST_TEXT = 1_000_000
"""Characters of a YAML file: a scheduler reads them all, again and again."""
DEEPEST, MOST_VALUES, CHARACTERS_OF_A_VALUE = 50, 100_000, 100
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_MERGE = "tag:yaml.org,2002:merge"


class _UniqueKeyLoader(_Loader):  # type: ignore[misc,valid-type]
    """A safe loader that refuses a key given twice, where YAML silently takes the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002  (as PyYAML declares it)
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == _MERGE:
                raise _yaml_error("merge keys (<<) are not read; write the keys out", key_node)
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise _yaml_error("a key has to be a plain value", key_node)
            if key in seen:
                raise _yaml_error(f"the key {key!r} stands here twice", key_node)
            seen.add(key)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return mapping


class _Dumper(_PlainDumper):  # type: ignore[misc,valid-type]
    """A safe dumper whose texts the loader here reads back as texts, and without aliases."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True


# YAML 1.2 reads 1e-3 as a number; PyYAML follows 1.1, which asks for a point, and would hand a text to an estimator.
for _kind in (_UniqueKeyLoader, _Dumper):
    _kind.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+[eE][-+]?[0-9]+$"), list("-+0123456789")
    )


# YAML 1.1 reads No, yes and off as booleans, so a class `No` would become False; 1.2 has only true and false. The
# dumper goes on quoting such words, for other readers.
_BOOLEAN = "tag:yaml.org,2002:bool"
_UniqueKeyLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag != _BOOLEAN]
    for first, found in _UniqueKeyLoader.yaml_implicit_resolvers.items()
}
_UniqueKeyLoader.add_implicit_resolver(_BOOLEAN, re.compile(r"^(true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


def _yaml_error(problem: str, place: yaml.Node | yaml.Event) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, place.start_mark)  # type: ignore[arg-type]


def parse_yaml(text: str, name: str) -> dict[str, Any]:
    """The mapping in a YAML text; `name` stands in error messages.

    Raises ConfigurationError if the text is no YAML, repeats a key or holds something else than a mapping.
    """
    if len(text) > LONGEST_TEXT:
        raise ConfigurationError(f"{name}: expected at most {LONGEST_TEXT:,} characters, found {len(text):,}")
    try:
        _refuse_bombs(text)
        document = yaml.load(text, _UniqueKeyLoader)  # noqa: S506  (a safe loader)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date such as 2026-13-01
        raise ConfigurationError(f"{name}: this is no YAML: {error}{_about_tabs(text, error)}") from error
    if not isinstance(document, dict):
        found = "the file is empty" if document is None else f"this is {type(document).__name__}"
        raise ConfigurationError(f"{name}: a mapping of keys is needed, {found}")
    _refuse_unstorable(document, name, "")
    return document


def _refuse_bombs(text: str) -> None:
    """Refuse what nests deeper than the C library's stack, and aliases by which a few lines stand for a full memory."""
    sizes: dict[str, int] = {}
    around: list[tuple[str, int]] = []
    for event in yaml.parse(text, _Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            around.append((event.anchor or "", 1))
            if len(around) > DEEPEST:
                raise _yaml_error(f"nested deeper than {DEEPEST} levels", event)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, size = around.pop()
            sizes[anchor] = size
            _count(around, size, event)
        elif isinstance(event, yaml.ScalarEvent):
            size = 1 + len(event.value) // CHARACTERS_OF_A_VALUE
            sizes[event.anchor or ""] = size
            _count(around, size, event)
        elif isinstance(event, yaml.AliasEvent):
            _count(around, _size_of_alias(event, sizes, around), event)


def _size_of_alias(event: yaml.AliasEvent, sizes: dict[str, int], around: list[tuple[str, int]]) -> int:
    name = str(event.anchor)
    if name in {anchor for anchor, _ in around}:
        raise _yaml_error(f"the alias *{name} stands inside of what it names", event)
    return sizes.get(name, 1)


def _count(around: list[tuple[str, int]], size: int, event: yaml.Event) -> None:
    """Add the values that an event stands for to the innermost collection around it."""
    if not around:
        return
    anchor, before = around[-1]
    around[-1] = (anchor, before + size)
    if before + size > MOST_VALUES:
        raise _yaml_error(f"its aliases stand for more than {MOST_VALUES:,} values", event)


def _refuse_unstorable(value: Any, name: str, where: str) -> None:
    """Refuse strings that a database refuses: PostgreSQL stores no NUL, and half a surrogate pair is not UTF-8."""
    if isinstance(value, dict):
        for key, inner in value.items():
            _refuse_unstorable(key, name, where)
            _refuse_unstorable(inner, name, f"{where}.{key}" if where else str(key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            _refuse_unstorable(inner, name, f"{where}.{number}")
    elif isinstance(value, str) and (found := UNSTORABLE.search(value)):
        raise ConfigurationError(
            f"{name}: {where}: the character {found[0]!r} cannot be stored; remove it from {value!r:.80}"
        )


def _about_tabs(text: str, error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    line = text.splitlines()[mark.line : mark.line + 1] if mark else []
    return "; indent with spaces, not with tabs" if any(re.match(r" *\t", one) for one in line) else ""


def dump_yaml(document: dict[str, Any]) -> str:
    """A document as a YAML text that `parse_yaml` reads back."""
    text: str = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return text


def read_text(path: str | Path) -> str:
    """The text of a local file; raises ConfigurationError if it cannot be read."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}") from error
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        wrong = content[max(0, error.start - 10) : error.start + 10]
        raise ConfigurationError(
            f"{path}: cannot be read: line {line} is no UTF-8 ({wrong!r}); save the file as UTF-8"
        ) from error


def validate(model: type[T], document: dict[str, Any], name: str) -> T:
    """A document as a `model`; raises ConfigurationError with one line per mistake."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        lines = [f"{name}: {line}" for line in _explain(model, error.errors())]
        raise ConfigurationError("\n".join(lines)) from error


def mistakes_in(model: type[BaseModel], values: Mapping[str, Any]) -> list[str]:
    """Return what keeps values from being a `model`, one line per mistake, each with its key first."""
    try:
        model.model_validate(values)
    except ValidationError as error:
        return _explain(model, error.errors())
    return []


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """`; did you mean 'x'?` if a word close to `word` is allowed, and what is allowed in any case.

    A word of the same letters comes first: swapped letters are the commoner mistake.
    """
    names = sorted(allowed)
    close = sorted(difflib.get_close_matches(word, names), key=lambda name: sorted(name) != sorted(word))
    hint = f"; did you mean {close[0]!r}?" if close else ";"
    return f"{hint} allowed: {', '.join(names)}"


@dataclass(frozen=True)
class _Place:
    """Where a mistake lies."""

    where: str
    """The keys that lead there, as they stand in the document."""
    kinds: tuple[Any, ...]
    """What can stand there."""
    union: tuple[int | str, ...] = ()
    """The location of the outermost union without a KIND on the way; empty: there is none."""
    alternative: str = ""
    """Pydantic's name for the alternative of that union that the mistake belongs to."""


def _explain(model: type[BaseModel], details: list[ErrorDetails]) -> list[str]:
    """The mistakes as lines, one per place in the document."""
    placed = [(_place(model, detail["loc"]), detail) for detail in details]
    lines: dict[str, list[str]] = defaultdict(list)
    for place, detail in _of_nearest_alternative(placed):
        where, message = _explain_one(model, place, detail)
        lines[where] += [message] if message not in lines[where] else []
    found = [f"{where}: {' or '.join(messages)}" if where else "\n".join(messages) for where, messages in lines.items()]
    return [line for text in found for line in text.splitlines()]


def _of_nearest_alternative(placed: list[tuple[_Place, ErrorDetails]]) -> list[tuple[_Place, ErrorDetails]]:
    """Pydantic lists the mistakes of every alternative of a union; keep the one with the fewest mistaken places."""
    places: dict[tuple[int | str, ...], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for place, _ in placed:
        places[place.union][place.alternative].add(place.where)
    fewest = {union: min(map(len, found.values())) for union, found in places.items()}
    return [
        (place, detail)
        for place, detail in placed
        if not place.union or len(places[place.union][place.alternative]) == fewest[place.union]
    ]


def _explain_one(model: type[BaseModel], place: _Place, detail: ErrorDetails) -> tuple[str, str]:
    """Where the mistake lies, and what it is."""
    if detail["type"] == "extra_forbidden":
        allowed = {name for kind in _place(model, detail["loc"][:-1]).kinds for name in _fields(kind)}
        return place.where, f"unknown key{did_you_mean(str(detail['loc'][-1]), allowed)}"
    if detail["type"] in {"union_tag_invalid", "union_tag_not_found"}:
        return f"{place.where}.KIND", _about_kind(place, detail["input"])
    return place.where, _about_value(detail)


def _about_value(detail: ErrorDetails) -> str:
    kind, given, message = detail["type"], detail["input"], detail["msg"].removeprefix("Value error, ")
    if kind == "missing":
        return "is required"
    if kind == "value_error":
        return message
    if kind in {"dict_type", "model_type", "model_attributes_type"}:
        return f"a mapping of keys is needed, not {_shown(given)}"
    words = re.findall(r"'([^']*)'", detail["ctx"]["expected"]) if kind == "literal_error" else []
    if words and isinstance(given, str):
        what = "unknown key" if detail["loc"][-1] == "[key]" else f"{given!r} is not allowed"
        return f"{what}{did_you_mean(given, words)}"
    return f"{message[0].lower()}{message[1:]}, not {_shown(given)}"


def _about_kind(place: _Place, given: Any) -> str:
    kinds = [kind.model_fields["KIND"].default for kind in place.kinds]
    if "KIND" not in given:
        return f"is required; allowed: {', '.join(sorted(kinds))}"
    return f"there is no kind {_shown(given['KIND'])}{did_you_mean(str(given['KIND']), kinds)}"


def _shown(value: Any) -> str:
    """A value in an error message; a whole section says no more than what it is."""
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    return f"{value!r:.80}"


def _place(model: type[BaseModel], location: tuple[int | str, ...]) -> _Place:
    """Follow a location through the models, leaving out the names that pydantic adds for a union's alternatives."""
    shown: list[str] = []
    kinds: tuple[Any, ...] = (model,)
    union: tuple[int | str, ...] = ()
    alternative = ""
    for depth, part in enumerate(location):
        if len(kinds) > 1:
            if not union and not all("KIND" in _fields(kind) for kind in kinds):
                union, alternative = location[:depth], str(part)
            kinds = tuple(kind for kind in kinds if _is_named(kind, str(part)))
        elif part != "[key]":
            shown.append(str(part))
            kinds = tuple(inner for kind in kinds for inner in _alternatives(_inside(kind, part)))
    return _Place(".".join(shown), kinds, union, alternative)


def _fields(kind: Any) -> set[str]:
    return {*kind.model_fields} if isinstance(kind, type) and issubclass(kind, BaseModel) else set()


def _is_named(kind: Any, name: str) -> bool:
    """Whether pydantic means this alternative of a union: by its KIND, else by its class."""
    if "KIND" in _fields(kind):
        return bool(kind.model_fields["KIND"].default == name)
    own = str(getattr(kind, "__name__", kind))
    return name == own or name.endswith(f" {own}]")  # function-after[check(), Range]


def _inside(kind: Any, part: int | str) -> Any:
    """The type of what lies under a key of a model or a mapping, or in a list."""
    if part in _fields(kind):
        return kind.model_fields[part].annotation
    arguments = get_args(kind) if get_origin(kind) in {dict, Mapping, list, tuple} else ()
    return arguments[-1 if get_origin(kind) in {dict, Mapping} else 0] if arguments else None


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    """The types that an annotation allows, None aside."""
    if get_origin(annotation) is Annotated:
        return _alternatives(get_args(annotation)[0])
    if get_origin(annotation) in {Union, types.UnionType}:
        return tuple(kind for one in get_args(annotation) for kind in _alternatives(one))
    return () if annotation in {None, types.NoneType} else (annotation,)
