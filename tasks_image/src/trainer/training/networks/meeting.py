"""The files, in the step's part of the run folder, by which the nodes of a training hand over to each other."""

from __future__ import annotations

import contextlib
import json
import shutil
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, NamedTuple

from trainer.run.nodes import NODES_FOLDER, node_failure_file, nodes_folder
from trainer.training.networks.handover import Failed

if TYPE_CHECKING:
    from trainer.environment import Nodes
    from trainer.run import RunFolder
    from trainer.run.records import Failure
    from trainer.training.networks.handover import Handover

SECONDS_BETWEEN_LOOKS = {True: 0.2, False: 3.0}
"""By whether the run folder is on a local file system; each look at a store is a request."""


class Situation(NamedTuple):
    """The state of the step, as its node has written it last."""

    plan: str = ""
    """The digest of the training that all nodes are to join; empty: none is given yet."""
    ended: bool = False
    """True once the step is done."""


@dataclass(frozen=True)
class Meeting:
    """The nodes of one try of a step. Another try is another Job, and has files of its own."""

    step: RunFolder
    nodes: Nodes

    @property
    def seconds_between_looks(self) -> float:
        """Seconds between two looks at the situation."""
        return SECONDS_BETWEEN_LOOKS[self.step.is_local]

    def situation(self) -> Situation:
        """Return the situation; before the step has written it, that no training is given yet."""
        try:
            return Situation(**json.loads(self.step.read_text(self._name("situation.json"))))
        except FileNotFoundError:
            return Situation()

    def open(self, handover: Handover) -> None:
        """Hand over a training, with its rows, to all nodes, in place of those of earlier starts and tries."""
        self._remove_trainings()
        with self.step.staged(self._name("plan")) as file:
            shutil.copyfile(handover.plan, file)
        self._write(Situation(plan=handover.digest()))

    def fetch(self, plan: str, handover: Handover) -> bool:
        """Fetch the training with this digest; False if another one has been given meanwhile."""
        with contextlib.suppress(FileNotFoundError), self.step.local(self._name("plan")) as file:
            shutil.copyfile(file, handover.plan)
            return handover.digest() == plan
        return False

    def close(self) -> None:
        """Let the other nodes end, and remove the training rows."""
        self._write(Situation(ended=True))
        self._remove_trainings()

    def report_failed(self, handover: Handover) -> None:
        """Hand over why processes of this node have failed, to the step."""
        record = {"failed": [asdict(one) for one in handover.failed()], "exit_codes": handover.exit_codes()}
        self.step.write_json(self._name(f"processes-{self.nodes.index}.json"), record)

    def failed(self) -> tuple[list[Failed], dict[int, int]]:
        """Return why processes of other nodes have failed, and their exit codes by rank, as far as is known yet."""
        failed: list[Failed] = []
        exit_codes: dict[int, int] = {}
        for index in range(1, self.nodes.number):
            with contextlib.suppress(FileNotFoundError):
                record = json.loads(self.step.read_text(self._name(f"processes-{index}.json")))
                failed += [Failed(**one) for one in record["failed"]]
                exit_codes |= {int(rank): code for rank, code in record["exit_codes"].items()}
        return failed, exit_codes

    def fail(self, failure: Failure) -> None:
        """Keep why this node has failed, for the task that reads its pod's exit code."""
        self.step.write_text(
            node_failure_file(self.nodes.job, self.nodes.index), failure.model_dump_json(indent=2) + "\n"
        )

    def _remove_trainings(self) -> None:
        """Remove the training rows, also those that an earlier try has left: its Job is over."""
        for path in self.step.filesystem.find(self.step.path(NODES_FOLDER)):
            if str(path).endswith("/plan"):
                with contextlib.suppress(FileNotFoundError):
                    self.step.filesystem.rm_file(path)

    def _write(self, situation: Situation) -> None:
        self.step.write_json(self._name("situation.json"), situation._asdict())

    def _name(self, file: str) -> str:
        return f"{nodes_folder(self.nodes.job)}/{file}"
