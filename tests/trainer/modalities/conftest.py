"""What travels in a model of the tests' own modality is on the path, as a clone of a pipeline's code is for a step."""

from __future__ import annotations

import sys
from pathlib import Path

OWN_CODE = Path(__file__).parent / "own"
sys.path.insert(0, str(OWN_CODE))
