"""Logs of a step: readable lines, or one JSON object per line for a log store."""

from __future__ import annotations

import io
import json
import logging
import math
import numbers
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from trainer.process import log_context
from trainer.process.colour import painted
from trainer.process.printable import one_record, shortened
from trainer.redaction import without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

QUIET = ("alembic", "botocore", "fsspec", "great_expectations", "matplotlib", "mlflow", "s3fs", "urllib3")


def set_up(log_format: str) -> None:
    """Send all records to standard output; `log_format` is `text` or `json`.

    As JSON, what others print becomes a record too: a log store reads every line.
    """
    output = _own(sys.stdout)
    handler = logging.StreamHandler(output)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter(output))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    if log_format == "json":
        sys.stdout = _Printed(output, logging.getLogger("stdout"), logging.INFO)
        sys.stderr = _Printed(_own(sys.stderr), logging.getLogger("stderr"), logging.WARNING)
    else:
        sys.stdout, sys.stderr = output, _own(sys.stderr)


class TextFormatter(logging.Formatter):
    """`INFO trainer.steps.train: message key=value`; the scheduler adds the time, a terminal gets colour."""

    def __init__(self, output: TextIO) -> None:
        super().__init__()
        self._output = output

    def format(self, record: logging.LogRecord) -> str:
        fields = " ".join(f"{key}={value}" for key, value in extra_fields(record).items())
        line = f"{record.levelname} {record.name}: {record.getMessage()}{' ' if fields else ''}{fields}"
        text = f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line
        return painted(one_record(shortened(without_secrets(text))), self._output)


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time, level, logger, message, what is worked on, and the record's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        content = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **log_context.current(),
            **extra_fields(record),
        }
        if record.exc_info:
            content["exception"] = self.formatException(record.exc_info)
        return json.dumps(_as_json(content), allow_nan=False)


def extra_fields(record: logging.LogRecord) -> dict[str, Any]:
    """What a caller gave as `extra`."""
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


def _as_json(value: Any) -> Any:
    """A value as JSON can say it, without secrets; a number that is none becomes null: a field keeps its type."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {without_secrets(str(key)): _as_json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(inner) for inner in value]
    return shortened(without_secrets(str(value)))


class _Printed(io.TextIOBase):
    """Stands for a standard stream; each line printed to it becomes a log record."""

    def __init__(self, original: TextIO, logger: logging.Logger, level: int) -> None:
        super().__init__()
        self.original = original
        self._logger = logger
        self._level = level
        self._begun = ""

    def write(self, text: str) -> int:
        *lines, self._begun = (self._begun + text).split("\n")
        self._tell(lines)
        return len(text)

    def flush(self) -> None:
        """Nothing is held back but a line that has not ended."""

    def close(self) -> None:
        self._tell([self._begun])
        self._begun = ""

    def fileno(self) -> int:
        return self.original.fileno()

    def isatty(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self.original.encoding

    def _tell(self, lines: Iterable[str]) -> None:
        for line in lines:
            if shown := line.rpartition("\r")[2].rstrip():  # of a progress bar, what it shows last
                self._logger.log(self._level, "%s", shown)


def _own(stream: TextIO) -> TextIO:
    return stream.original if isinstance(stream, _Printed) else stream
