"""Write the transcript in docs/agents.md: phrases of the prompt, answered by a running `make ui`.

Called by `make transcript`. The job is the newest run of the pipeline that has succeeded. The tools refuse every
training and request in it: it starts nothing.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from include.agents.clients import airflow
from include.agents.errors import ToolError
from include.agents.names import Job
from include.agents.repl import PROMPT, answer_to

PAGE = Path(__file__).with_name("agents.md")
BEGIN, END = "<!-- transcript -->\n", "<!-- end of transcript -->\n"
WIDTH = 118


def newest_job(pipeline: str) -> str:
    """Return the name of the newest training run that has succeeded. Raises ToolError if there is none."""
    path = f"/dags/{pipeline}_training/dagRuns"
    found = airflow().get(path, state="success", order_by="-run_after", limit=1)["dag_runs"]
    if not found:
        raise ToolError(f"no run of {pipeline} has succeeded: start one in Airflow first")
    return Job(f"{pipeline}_training", str(found[0]["dag_run_id"])).name


def phrases(pipeline: str, job: str, model: str) -> list[str]:
    """Return what is typed."""
    return [
        "list pipelines",
        "list mlflow experiments customer-churn-prediction",
        f"trigger training job {pipeline} with 2 epochs",
        "trigger training job mnist with two epochs",
        f"get training status {job}",
        f"calculate training cost {job}",
        f"get decision {job}",
        f"list versions {model}",
        f"request rollback {model} 99 because its recall has fallen",
    ]


def transcript(lines: list[str]) -> str:
    """Return the phrases with their answers as a block of Markdown."""
    parts = [f"{PROMPT}{line}\n{answer_to(line)[0]}".replace(str(PAGE.parents[1]), "…") for line in lines]
    shown = [
        line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…" for part in parts for line in [*part.splitlines(), ""]
    ]
    return "```text\n" + "\n".join(shown).rstrip() + "\n```\n"


def main() -> int:
    """Replace the transcript in docs/agents.md; returns 0, and 1 if Airflow cannot be asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pipeline", default="churn")
    parser.add_argument("--model", default="churn-predictor")
    given = parser.parse_args()
    try:
        written = transcript(phrases(given.pipeline, newest_job(given.pipeline), given.model))
    except ToolError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}{written}{END}{rest.partition(END)[2]}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
