"""The job of a network: trained epoch by epoch, on as many GPUs as there are, and killed at any moment."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from trainer.environment import cores, nodes_variables
from trainer.errors import ConfigurationError
from trainer.training.job import Job

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trainer.pipeline.networks import EpochParams
    from trainer.training.networks.checkpoints import Checkpoints
    from trainer.training.networks.loop import EpochEnd, Progress
    from trainer.training.networks.meeting import Meeting
    from trainer.training.networks.plan import Plan


class NetworkJob(Job):
    """Trains a network; killed and started again, it goes on from its last checkpoint."""

    kind: str
    gpus: int = 0
    """GPUs that this run asks for; those of its pod count as well."""
    state: str = ""
    """The address of the run folder, which keeps the checkpoints; empty: there are none."""
    part: tuple[str, str] = ("", "")
    """The step and the algorithm whose folder in there it is."""

    @property
    @abstractmethod
    def epoch_params(self) -> EpochParams:
        """The parameters of the network and of its training."""

    @property
    def algorithm(self) -> str:
        return self.kind

    @property
    def params(self) -> dict[str, Any]:
        return self.epoch_params.model_dump(mode="json")

    @property
    def device(self) -> str:
        from trainer.training.networks.loop import NetworkTraining

        return str(NetworkTraining.chosen_device().type)

    def checkpoints(self, configuration: Mapping[str, Any]) -> Checkpoints | None:
        """Return the checkpoints of a training with these parameters, and whatever else decides on its course."""
        from trainer.run import RunFolder
        from trainer.training.networks.checkpoints import Checkpoints

        if not self.state:
            return None
        known = {"params": self.params, "seed": self.seed, **configuration}
        return Checkpoints.of(RunFolder.open(self.state).at(*self.part), known)

    def trained(self, plan: Plan, aside: Any) -> Any:
        """Train, and return the estimator; epochs and progress are logged."""
        import torch

        from trainer.training.networks.processes import processes_for
        from trainer.training.networks.together import train_in_processes

        torch.set_num_threads(cores())
        return train_in_processes(plan, aside, processes_for(self.gpus), self._log, self._meeting())

    def _meeting(self) -> Meeting | None:
        """Return where the nodes of this step meet; None if it has one node only."""
        from trainer.run import RunFolder
        from trainer.training.networks.meeting import Meeting

        if (nodes := nodes_variables()).number == 1:
            return None
        if not self.state:
            raise ConfigurationError(f"nodes: {nodes.number} nodes need a run folder to hand over; use one node")
        return Meeting(RunFolder.open(self.state).at(*self.part), nodes)

    def _log(self, report: EpochEnd | Progress) -> None:
        from trainer.training.networks.loop import EpochEnd

        if isinstance(report, EpochEnd):
            self.log_epoch(report)
        else:
            self.log_progress(report)

    @abstractmethod
    def log_epoch(self, end: EpochEnd) -> None:
        """Log the metrics of an epoch."""

    def log_progress(self, progress: Progress) -> None:
        """Log how far the training is."""
