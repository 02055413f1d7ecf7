"""The phrases of the prompt, and which call of a tool each one is."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from include.agents.errors import ToolError
from include.agents.names import one_of, shown
from include.agents.tools import TOOLS

if TYPE_CHECKING:
    from collections.abc import Callable

    from include.agents.tools import Tool

JOIN = re.compile(r"\s*(?:,|\band\b)\s*", re.IGNORECASE)
OPTIONS = (
    (re.compile(r"(?P<epochs>\S+) epochs?|epochs? (?P<epochs2>\S+)", re.IGNORECASE), "epochs"),
    (re.compile(r"(?:lr|learning rate)\s*(?:=|of)?\s*(?P<lr>\S+)", re.IGNORECASE), "lr"),
    (re.compile(r"batch(?:es of|[ _]size)\s*(?:=|of)?\s*(?P<batch_size>\S+)", re.IGNORECASE), "batch_size"),
    (re.compile(r"(?P<gpu_enabled>no gpu|a gpu|gpu)", re.IGNORECASE), "gpu_enabled"),
)
"""The parts after `with` of "trigger training job mnist with 2 epochs and lr 0.01"."""


@dataclass(frozen=True)
class Phrase:
    """A phrase that begins with the words of a tool's name."""

    tool: Tool
    usage: str
    """The arguments after the words, as the help shows them."""
    arguments: Callable[[str], dict[str, Any] | None] = field(repr=False)
    """Of the text that follows the words; None if it does not fit."""

    @property
    def words(self) -> str:
        """Return the words that the phrase begins with."""
        return self.tool.name.replace("_", " ")

    @property
    def help(self) -> str:
        """Return the phrase as the help shows it."""
        return f"{self.words} {self.usage}".rstrip()


def parse_phrase(line: str) -> tuple[Tool, dict[str, Any]]:
    """Return the tool and the arguments that a line stands for. Raises ToolError that says what is allowed."""
    text = " ".join(line.split())
    for phrase in PHRASES:
        rest = _after(text, phrase.words)
        if rest is None:
            continue
        arguments = phrase.arguments(rest)
        if arguments is None:
            raise ToolError(f"expected: {phrase.help}")
        return phrase.tool, arguments
    raise ToolError(f"{shown(text)} is not a phrase{one_of([phrase.words for phrase in PHRASES], text)}")


def _after(text: str, words: str) -> str | None:
    """Return the text after words that it begins with, written with spaces or underscores; None for other words."""
    found = re.fullmatch(words.replace(" ", r"[ _]") + r"(?: (?P<rest>.*))?", text, re.IGNORECASE)
    return (found["rest"] or "") if found else None


def _nothing(rest: str) -> dict[str, Any] | None:
    return None if rest else {}


def _one(name: str, *, optional: bool = False) -> Callable[[str], dict[str, Any] | None]:
    def arguments(rest: str) -> dict[str, Any] | None:
        if not rest:
            return {} if optional else None
        return {name: rest}

    return arguments


def _move(rest: str) -> dict[str, Any] | None:
    found = re.fullmatch(r"(\S+) (?:version )?(\S+)(?: because (.+))?", rest, re.IGNORECASE)
    return {"model": found[1], "version": found[2], "reason": found[3] or ""} if found else None


def _training(rest: str) -> dict[str, Any] | None:
    found = re.fullmatch(r"(?P<model>\S+)(?: with (?P<options>.+))?", rest, re.IGNORECASE)
    if not found:
        return None
    arguments = {"model_type": found["model"]}
    for part in JOIN.split(found["options"]) if found["options"] else ():
        name, value = _option(part)
        arguments[name] = value
    return arguments


def _option(part: str) -> tuple[str, str]:
    for pattern, name in OPTIONS:
        if found := pattern.fullmatch(part):
            value = next(text for text in found.groups() if text)
            return name, str(value.lower() != "no gpu").lower() if name == "gpu_enabled" else value
    raise ToolError(f"{shown(part)} is not understood; allowed are: 2 epochs, lr 0.01, batch size 32, no gpu")


_ARGUMENTS: dict[str, tuple[str, Callable[[str], dict[str, Any] | None]]] = {
    "list_mlflow_experiments": ("[<name>]", _one("experiment_name", optional=True)),
    "get_experiment_metrics": ("<run_id>", _one("run_id")),
    "trigger_training_job": ("<pipeline> [with 2 epochs, lr 0.01, batch size 32, no gpu]", _training),
    "get_training_status": ("<dag_id>/<run_id>", _one("job_name")),
    "calculate_training_cost": ("<dag_id>/<run_id>", _one("job_name")),
    "list_pipelines": ("", _nothing),
    "get_decision": ("<dag_id>/<run_id>", _one("job_name")),
    "list_versions": ("<model>", _one("model")),
    "request_promotion": ("<model> <version> [because <reason>]", _move),
    "request_rollback": ("<model> <version> [because <reason>]", _move),
}
PHRASES = tuple(Phrase(tool, *_ARGUMENTS[tool.name]) for tool in TOOLS)
