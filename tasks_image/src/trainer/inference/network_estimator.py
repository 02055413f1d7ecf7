"""A trained network with scikit-learn's interface; PyTorch is imported when it is first used."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

AT_ONCE = 1000


@dataclass(frozen=True, eq=False)
class NetworkEstimator:
    """A network's parameters and weights."""

    params: dict[str, Any]
    shape: tuple[int, int, int]
    """Channels, height and width."""
    classes: int
    mean: tuple[float, ...]
    """Of each channel's pixels in the training rows."""
    deviation: tuple[float, ...]
    weights: bytes
    """Of the network, as `torch.save` writes them."""
    requirements: tuple[str, ...] = ("torch", "pillow")
    """Packages that it needs wherever it is served."""
    _network: dict[str, Any] = field(default_factory=dict, repr=False)

    def predict_proba(self, pixels: np.ndarray) -> np.ndarray:
        """Probability of each class (n, classes) for pixels (n, channels, height, width)."""
        import torch

        with torch.inference_mode():
            batches = torch.from_numpy(pixels).split(AT_ONCE)
            shares = torch.cat([torch.softmax(self.scores(batch).double(), dim=1) for batch in batches])
        made: np.ndarray = shares.numpy()
        return made

    def scores(self, pixels: Any) -> Any:
        """A score for each class (n, classes) of a tensor of pixels (n, channels, height, width)."""
        import torch

        from trainer.inference.networks import standardised

        brought = standardised(pixels, torch.tensor(self.mean), torch.tensor(self.deviation))
        return self._loaded()(brought.contiguous(memory_format=torch.channels_last))

    def _loaded(self) -> Any:
        """The network, ready to answer; loaded once in a process."""
        import torch

        from trainer.inference.networks import cnn

        if "loaded" not in self._network:
            network = cnn(self.params, self.shape, self.classes)
            network.load_state_dict(torch.load(io.BytesIO(self.weights), weights_only=True))
            self._network["loaded"] = network.eval().to(memory_format=torch.channels_last)
        return self._network["loaded"]

    def get_params(self) -> dict[str, Any]:
        """As an estimator of scikit-learn has them."""
        return dict(self.params)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_network": {}}
