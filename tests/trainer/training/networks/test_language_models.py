"""Models that somebody has published: from a folder or the hub, without code of theirs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make setup-deep")
pytest.importorskip("transformers", reason="transformers is not installed: make setup-deep")

from tests.trainer.training.networks.language import params, texts  # noqa: E402
from trainer.errors import ConfigurationError  # noqa: E402
from trainer.pipeline.texts import PretrainedParams  # noqa: E402
from trainer.training.networks.language_models import Beginning, beginning  # noqa: E402
from trainer.training.networks.tokenizer import trained_tokenizer  # noqa: E402


@pytest.fixture(scope="module")
def made() -> Beginning:
    return beginning(params(), texts(), 1)


@pytest.fixture(scope="module")
def published(made: Beginning, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    made.network.save_pretrained(folder)
    made.tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture
def copied(published: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(published, tmp_path / "model"))


def pretrained(folder: Path | str, **changes: Any) -> Beginning:
    return beginning(PretrainedParams.model_validate({"model": str(folder), "block_length": 16, **changes}), texts(), 1)


def test_a_folder_gives_its_weights_and_its_tokenizer(made: Beginning, published: Path) -> None:
    found = pretrained(published)
    assert all(torch.equal(one, found.network.state_dict()[name]) for name, one in made.network.state_dict().items())
    assert (found.start, found.tokenizer.to_str()) == (made.start, made.tokenizer.to_str())
    assert "_name_or_path" not in json.loads(found.config)


def test_a_new_model_may_have_the_tokenizer_of_a_folder(published: Path, made: Beginning) -> None:
    found = beginning(params(tokenizer=str(published)), texts(), 1)
    assert found.tokenizer.to_str() == made.tokenizer.to_str()
    assert found.network.config.vocab_size == 280
    with pytest.raises(ConfigurationError, match="tokenizer 'nowhere': there is no such folder.*gpt2_tokenizer"):
        beginning(params(tokenizer="nowhere"), texts(), 1)


def test_a_folder_that_is_not_there_is_not_looked_for_on_the_hub() -> None:
    with pytest.raises(ConfigurationError, match="model '/no/model': there is no such folder; correct the path"):
        pretrained("/no/model")


def test_pickled_weights_are_not_read(copied: Path) -> None:
    (copied / "model.safetensors").rename(copied / "pytorch_model.bin")
    with pytest.raises(ConfigurationError, match=r"lacks config.json or \*.safetensors \(its \*.bin are pickled"):
        pretrained(copied)


def test_code_that_comes_with_a_model_is_not_run(copied: Path) -> None:
    config = json.loads((copied / "config.json").read_text())
    own = {"model_type": "mine", "auto_map": {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}}
    (copied / "config.json").write_text(json.dumps({**config, **own}))
    (copied / "own.py").write_text("raise SystemExit('code of others was run')\n")
    with pytest.raises(ConfigurationError, match="cannot be loaded: .*code that comes with a model is never run"):
        pretrained(copied)


def test_weights_that_are_missing_are_not_made_up(copied: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(copied / "model.safetensors")
    del weights["transformer.wpe.weight"]
    save_file(weights, copied / "model.safetensors", {"format": "pt"})
    with pytest.raises(ConfigurationError, match="1 of its weights are not in .*, such as transformer.wpe.weight"):
        pretrained(copied)


def test_weights_that_are_cut_off_are_told(copied: Path) -> None:
    file = copied / "model.safetensors"
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(ConfigurationError, match="cannot be loaded"):
        pretrained(copied)


def test_a_tokenizer_has_to_fit_the_model(copied: Path) -> None:
    trained_tokenizer(texts(), 300).save(str(copied / "tokenizer.json"))
    message = "the tokenizer does not fit the model: it has 2[89]. tokens, and the model has embeddings of 280"
    with pytest.raises(ConfigurationError, match=message):
        pretrained(copied)


def test_a_block_may_not_be_longer_than_the_model_sees(published: Path) -> None:
    with pytest.raises(ConfigurationError, match="block_length is 32, and the model sees 16 tokens at once; lower"):
        pretrained(published, block_length=32)


class Hub(BaseHTTPRequestHandler):
    """A hub on loopback that has one model."""

    folder: Path

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        files = sorted(file.name for file in self.folder.iterdir())
        name = self.path.split("?")[0].rpartition("/")[2]
        if self.path.startswith("/api/models/tiny/model/tree/"):
            sizes = {one: (self.folder / one).stat().st_size for one in files}
            tree = [{"type": "file", "path": one, "size": size, "oid": one} for one, size in sizes.items()]
            self._send(200, json.dumps(tree).encode(), with_body=with_body)
        elif self.path.startswith("/api/models/tiny/model/"):
            listing = {"id": "tiny/model", "sha": "a" * 40, "siblings": [{"rfilename": one} for one in files]}
            self._send(200, json.dumps(listing).encode(), with_body=with_body)
        elif self.path.startswith("/tiny/model/resolve/") and name in files:
            self._send(200, (self.folder / name).read_bytes(), with_body=with_body)
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def _send(self, code: int, content: bytes, *, with_body: bool) -> None:
        self.send_response(code)
        for key, value in (
            ("X-Repo-Commit", "a" * 40),
            ("ETag", f'"{hash(content)}"'),
            ("Content-Length", str(len(content))),
        ):
            self.send_header(key, value)
        self.end_headers()
        if with_body:
            self.wfile.write(content)

    def log_message(self, *_values: Any) -> None:
        """Nothing is said."""


FROM_HUB = """
import sys
from trainer.errors import TrainerError
from trainer.training.networks.language_models import _from_hub

for name in sys.argv[1:]:
    try:
        print(name, *sorted(file.name for file in _from_hub(name, "main").iterdir()))
    except TrainerError as error:
        print(type(error).__name__, error)
"""
FETCHED = "tiny/model config.json model.safetensors tokenizer.json"


def test_a_name_is_fetched_from_the_hub(copied: Path, tmp_path: Path) -> None:
    for name in ("own.py", "pytorch_model.bin"):
        (copied / name).write_text("must not be fetched")
    handler = type("TinyHub", (Hub,), {"folder": copied})
    server = HTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        found = _asked(f"http://127.0.0.1:{server.server_port}", tmp_path, "tiny/model", "tiny/none")
    finally:
        server.shutdown()
        server.server_close()
    assert found[0] == FETCHED, "no code, and nothing that is pickled"
    assert found[1].startswith(
        "ConfigurationError model 'tiny/none', revision 'main': the hub has no such model, or keeps it"
    )
    assert found[1].endswith("train a small model with `KIND: gpt2_from_scratch`")
    cached, absent = _asked("http://127.0.0.1:9", tmp_path, "tiny/model", "tiny/none")
    assert cached == FETCHED, "what was fetched once is there without the hub"
    assert absent.startswith("OutageError model 'tiny/none': its weights cannot be had from the hub")


def _asked(hub: str, home: Path, *names: str) -> list[str]:
    """What a process says that begins with models of these names; the hub's address is read when its client is imported."""
    import os

    environment = {**os.environ, "HF_ENDPOINT": hub, "HF_HOME": str(home / "hub"), "HF_HUB_DISABLE_XET": "1"}
    command = [sys.executable, "-c", FROM_HUB, *names]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[4], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()
