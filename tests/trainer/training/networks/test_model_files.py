"""Models and tokenizers that cannot be had are refused before anything is loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.trainer.training.networks.language import params
from trainer.errors import ConfigurationError
from trainer.pipeline.texts import PretrainedParams
from trainer.training.networks.model_files import refuse_absent


def model(name: Path | str) -> PretrainedParams:
    return PretrainedParams(model=str(name))


def folder_with(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).write_text("{}")
    return folder


@pytest.mark.parametrize("files", [(), ("config.json",), ("model.safetensors",), ("config.json", "pytorch_model.bin")])
def test_a_folder_without_weights_is_refused(files: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"model '{tmp_path}': {tmp_path} lacks config.json or ") as error:
        refuse_absent(model(folder_with(tmp_path, *files)))
    assert ("pickled" in str(error.value)) == ("pytorch_model.bin" in files)


def test_a_folder_with_weights_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model").mkdir()
    folder = folder_with(tmp_path / "model", "config.json", "model.safetensors")
    refuse_absent(model(folder))
    monkeypatch.setenv("TRAINER_DATA_STORE", str(tmp_path))
    refuse_absent(model("model"))


def test_folders_that_do_not_exist_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="model '/no/model': there is no such folder; correct the path"):
        refuse_absent(model("/no/model"))
    refuse_absent(params(tokenizer="nowhere"))  # it may be in the data store, which is not known
    monkeypatch.setenv("TRAINER_DATA_STORE", str(tmp_path))
    with pytest.raises(ConfigurationError, match="tokenizer 'nowhere': there is no such folder, here or in the data"):
        refuse_absent(params(tokenizer="nowhere"))
    refuse_absent(params())


ASKED = """
import sys
from trainer.errors import ConfigurationError
from trainer.pipeline.texts import PretrainedParams
from trainer.training.networks.model_files import refuse_absent

for name in sys.argv[1:]:
    try:
        print(refuse_absent(PretrainedParams(model=name)))
    except ConfigurationError as error:
        print(error)
"""


def _answers(home: Path, *names: str, **variables: str) -> list[str]:
    """What is said of models by a process; the hub's client reads its variables when it is imported."""
    environment: dict[str, Any] = {**os.environ, "HF_HOME": str(home), "HF_ENDPOINT": "http://127.0.0.1:9", **variables}
    command = [sys.executable, "-c", ASKED, *names]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.splitlines()


def test_offline_a_model_has_to_be_in_the_cache(tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed: make setup-deep")
    cached = tmp_path / "hub" / "models--tiny--model"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text("a" * 40)
    (cached / "snapshots" / ("a" * 40)).mkdir(parents=True)
    (cached / "snapshots" / ("a" * 40) / "config.json").write_text("{}")
    there, absent, wrong = _answers(tmp_path, "tiny/model", "tiny/none", "a/b/c", HF_HUB_OFFLINE="1")
    assert there == "None"
    for name, said in (("tiny/none", absent), ("a/b/c", wrong)):
        assert said.startswith(
            f"model '{name}', revision 'main': it is not in this machine's cache, and HF_HUB_OFFLINE"
        )
        assert said.endswith(
            "unset it, or name a folder that has them, or train a small model with `KIND: gpt2_from_scratch`"
        )
    assert _answers(tmp_path, "tiny/none") == ["None"], "the hub may have it, and is asked by the training"
