"""The prompt over the tools: `make repl`, or lines from a pipe."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TextIO

from include.agents.errors import ToolError
from include.agents.phrases import PHRASES, parse_phrase
from include.agents.settings import history_file
from include.agents.text import as_text, printable
from include.agents.tools import guarded

if TYPE_CHECKING:
    from pathlib import Path

    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import History

PROMPT = "agents> "
LEAVE = ("exit", "quit")
HELP = ("help", "?")
WELCOME = "Phrases: help. Completion: Tab. Leave: Ctrl-D."


def answer_to(line: str) -> tuple[str, bool]:
    """Return the text that answers a line, and True if the line was carried out."""
    if line.strip().lower() in HELP:
        return "\n".join(["Phrases:", *(f"  {phrase.help}" for phrase in PHRASES), "  help", "  exit"]), True
    try:
        tool, arguments = parse_phrase(line)
        return as_text(guarded(tool.function)(**arguments)), True
    except ToolError as error:
        return f"Error: {printable(str(error))}", False
    except KeyboardInterrupt:
        return "Interrupted; a run that was started goes on.", False


def read_pipe(lines: TextIO, output: TextIO) -> int:
    """Answer each line; returns 0 if all were carried out, else 1."""
    done = True
    for line in lines:
        if line.strip().lower() in LEAVE:
            break
        if line.strip():
            text, was_done = answer_to(line)
            done = done and was_done
            output.write(f"{text}\n")
            output.flush()
    return 0 if done else 1


def talk(session: PromptSession[str]) -> int:
    """Answer what a person types until Ctrl-D; Ctrl-C empties the line. Returns 0."""
    sys.stdout.write(f"{WELCOME}\n")
    while True:
        try:
            line = session.prompt(PROMPT)
        except KeyboardInterrupt:
            continue
        except EOFError:
            return 0
        if line.strip().lower() in LEAVE:
            return 0
        if line.strip():
            sys.stdout.write(f"{answer_to(line)[0]}\n")


def private_history(file: Path) -> History:
    """Return the history in a file that only its owner reads; one in memory if it cannot be written."""
    from prompt_toolkit.history import FileHistory, InMemoryHistory

    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        try:
            os.fchmod(descriptor, 0o600)
        finally:
            os.close(descriptor)
    except OSError as error:
        sys.stderr.write(f"The history {file} cannot be kept: {error.strerror}\n")
        return InMemoryHistory()
    return FileHistory(str(file))


def _session() -> PromptSession[str]:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import WordCompleter
    from prompt_toolkit.shortcuts import CompleteStyle

    words = [*(phrase.words for phrase in PHRASES), *HELP, *LEAVE]
    completer = WordCompleter(words, ignore_case=True, sentence=True)
    return PromptSession(
        history=private_history(history_file()), completer=completer, complete_style=CompleteStyle.READLINE_LIKE,
        complete_while_typing=False, reserve_space_for_menu=0,
    )  # fmt: skip


def main() -> int:
    """Talk to a person, or answer the lines of a pipe; returns the exit code."""
    try:
        return talk(_session()) if sys.stdin.isatty() else read_pipe(sys.stdin, sys.stdout)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
