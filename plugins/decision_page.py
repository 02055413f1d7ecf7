"""What was decided in a run and why, as a page: the outcome first, then every gate."""

from __future__ import annotations

from html import escape
from typing import Any

HEADLINES = {
    "promote": ("good", "To be promoted", "It passed every gate and the rule against production, or is the first."),
    "keep": ("warn", "Production is kept", "The new model passed its gates and is not promoted."),
    "refuse": ("bad", "Refused", "Nothing moves."),
    "promoted": ("good", "Promoted", "The new model is production."),
    "registered": ("good", "Registered", "The new model passed and was not promoted, as asked."),
    "trained": ("good", "Trained", "The new model passed and was not registered, as asked."),
    "kept": ("warn", "Production is kept", "The new model passed its gates and is not promoted."),
    "refused": ("bad", "Refused", "The new model or its run did not pass; nothing moved."),
    "failed": ("bad", "Failed", "The run did not get to a decision; nothing moved."),
    "unfinished": ("warn", "Unfinished", "The run has not come to its end."),
}
"""By the decision's outcome while the run goes on, and by the run's own afterwards."""
VERDICTS = {
    "passed": ("good", "passed"),
    "failed": ("bad", "failed"),
    "not_better": ("warn", "no gain"),
    "may_be_worse": ("warn", "may be worse"),
}
STYLE = """
:root { color-scheme: light dark; --line: #d5dae0; --soft: #59636e; --good: #1a6b3c; --warn: #7a4d00; --bad: #a1231c }
@media (prefers-color-scheme: dark) {
  :root { --line: #3a414a; --soft: #a3adb8; --good: #8fd6a8; --warn: #f0c674; --bad: #f5a8a2 }
}
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 64rem; margin: 0 auto; padding: 1rem 1.25rem 3rem }
h1 { border-left: .35rem solid; padding-left: .8rem; font-size: 1.5rem; margin: 0 0 .5rem }
h2 { font-size: 1.1rem; margin: 1.75rem 0 .5rem }
.good { color: var(--good) } .warn { color: var(--warn) } .bad { color: var(--bad) } .soft { color: var(--soft) }
.scroll { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: left; vertical-align: top; padding: .35rem .7rem .35rem 0; border-bottom: 1px solid var(--line) }
.number { text-align: right; white-space: nowrap }
nav a { margin-right: 1rem }
"""


def decision_page(summary: dict[str, Any] | None, decision: dict[str, Any] | None, pages: list[str]) -> str:
    """The page of a run; `pages` are the names of what can be opened beside it.

    The summary is written last and says what became of the decision; one of an earlier try is left aside.
    """
    record = summary if summary and is_current(summary, decision) else decision
    if record is None:
        return _page("No decision yet", _verdict("unfinished", "It is being decided anew.") + _links(pages))
    parts = [
        _verdict(record["outcome"], record["reason"]),
        _gates(record["gates"]),
        _failures(record.get("failures", [])),
        _model(record.get("model")),
        _links(pages),
    ]
    return _page(HEADLINES[record["outcome"]][1], "".join(parts))


def no_decision_page(dag_id: str, run_id: str, waiting: dict[str, str] | None) -> str:
    """Return the page of a run that has not come to `decide`.

    :param waiting: the record of the pipeline's run that waits for a person's answer, if one does
    """
    text = f"{escape(dag_id)}, run {escape(run_id)}, has not come to a decision, or has left no run folder."
    body = f'<h1 class="soft">No decision yet</h1><p>{text}</p>{_waiting(run_id, waiting)}'
    return _page("No decision yet", body)


def _waiting(run_id: str, waiting: dict[str, str] | None) -> str:
    if waiting is None:
        return ""
    link, since = escape(waiting["link"]), escape(waiting["asked_at"])
    asked = escape(waiting["question"])
    question = f'<a href="{link}" target="_blank" rel="noopener">{asked}</a>' if link else asked
    question += f" (asked {since})"
    if waiting["run_id"] == run_id:
        return f"<p>It waits for an answer: {question}</p>"
    return (
        f"<p>It cannot go on while an earlier run waits for an answer, for one run of a pipeline is active at a time. "
        f"Run {escape(waiting['run_id'])} asks: {question}</p>"
    )


def is_current(summary: dict[str, Any], decision: dict[str, Any] | None) -> bool:
    """Whether a summary tells of this decision, and not of one before a task was cleared."""
    return bool(summary["gates"] == (decision["gates"] if decision else []))


def _verdict(outcome: str, reason: str) -> str:
    tone, headline, meaning = HEADLINES[outcome]
    return f'<h1 class="{tone}">{headline}</h1><p>{meaning}</p><p><b>Why:</b> {escape(reason)}</p>'


def _gates(gates: list[dict[str, Any]]) -> str:
    if not gates:
        return ""
    head = "".join(f"<th{_numeric(name)}>{name}</th>" for name in ("Gate", "", "Figure", "Limit", "Production", "Why"))
    return (
        f'<h2>Gates, on test rows</h2><div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(map(_gate, gates))}</tbody></table></div>"
    )


def _numeric(name: str) -> str:
    return ' class="number"' if name in ("Figure", "Limit", "Production") else ""


def _gate(gate: dict[str, Any]) -> str:
    tone, verdict = VERDICTS[gate["verdict"]]
    figures = "".join(f'<td class="number">{_figure(gate[name])}</td>' for name in ("value", "limit", "production"))
    name, reason = escape(gate["name"]), escape(gate["reason"])
    return f'<tr><td>{name}</td><td class="{tone}"><b>{verdict}</b></td>{figures}<td>{reason}</td></tr>'


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _failures(failures: list[dict[str, Any]]) -> str:
    items = "".join(
        f"<li><b>{escape(' '.join(filter(None, (failure['step'], failure['algorithm']))))}</b>: "
        f"{escape(failure['error'])}: {escape(failure['message'])}</li>"
        for failure in failures
    )
    return f"<h2>Steps that failed</h2><ul>{items}</ul>" if items else ""


def _model(model: dict[str, Any] | None) -> str:
    if not model or not model["name"]:
        return ""
    aliases = ", ".join(f"{alias} → {version}" for alias, version in sorted(model["aliases"].items()))
    text = f"{model['name']}, version {model['version'] or '-'} ({aliases or 'no aliases'})"
    return f"<h2>Model</h2><p>{escape(text)}</p>"


def _links(pages: list[str]) -> str:
    links = "".join(f'<a href="{escape(page)}">{escape(page)}</a>' for page in pages)
    return f"<h2>More of this run</h2><nav>{links}</nav>" if links else ""


def _page(title: str, body: str) -> str:
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>{body}</body></html>"
    )
