"""Files of real repositories with DVC: the commit's own, from the remote or the cache, whole or not at all."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.dvc_world import DvcRepository, object_of, snapshot_of
from tests.git_world import GitServer, git, serving
from trainer.errors import ConfigurationError, DataValidationError, OutageError, TrainerError
from trainer.pipeline import DvcSource
from trainer.sources.dvc.objects import STAGING
from trainer.sources.dvc.repository import Pinned, pin_revision, pinned_files

OLD, NEW = "n,y\n1,no\n2,yes\n", "n,y\n3,no\n4,yes\n5,no\n"
PASSWORD = "planted-git-p@ss word"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of two commits, the first tagged `v1`, and its remote, a folder beside it; DVC takes seconds."""
    home = tmp_path_factory.mktemp("dvc")
    (home / "remote").mkdir()
    lake = DvcRepository.of(home / "lake", "../remote")
    lake.track("rows.csv", {"": OLD})
    lake.track("folder", {"a.csv": OLD, "deep/b.csv": NEW, "README.md": "none of the data"})
    git("tag", "-a", "v1", "-m", "first", cwd=lake.folder)
    lake.track("rows.csv", {"": NEW})
    lake.commit({"plain.csv": OLD, "rows.json": "{}"})
    return home


@pytest.fixture
def lake(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DvcRepository:
    """A copy of that repository and its remote, and a cache of the test's own."""
    for name in ("GIT_USERNAME", "GIT_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return DvcRepository(tmp_path / "lake", tmp_path / "lake-home")


def remote_of(lake: DvcRepository) -> Path:
    return lake.folder.with_name("remote")


def pinned(lake: DvcRepository, path: str, **values: Any) -> Pinned:
    scratch = lake.folder.with_name("scratch")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    return pinned_files(DvcSource(repository=lake.address, path=path, **values), None, scratch)


def texts(found: Pinned) -> list[str]:
    return [file.path.read_text() for file in found.files]


def cached(lake: DvcRepository) -> list[Path]:
    return [file for file in lake.folder.with_name("cache").rglob("*") if file.is_file()]


def test_the_version_of_a_revision_whatever_the_working_tree_and_head_are(lake: DvcRepository) -> None:
    (lake.folder / "rows.csv").unlink()
    (lake.folder / "rows.csv").write_text("n,y\nnot,committed\n")
    (lake.folder / "rows.csv.dvc").write_text("outs: []\n")
    found = pinned(lake, "rows.csv", revision="v1")
    assert texts(found) == [OLD]
    assert found.commit == git("rev-parse", "v1^{commit}", cwd=lake.folder)
    assert f"{found.hash[:2]}/{found.hash[2:]}" == object_of(OLD).removeprefix("files/md5/")
    assert found.remote == f"{remote_of(lake).as_uri()}/{object_of(OLD)}"
    assert found.files[0].name == f"{lake.address}@{found.commit[:12]}:rows.csv"
    assert int(found.committed_at.timestamp()) == int(git("show", "-s", "--format=%ct", "v1^{commit}", cwd=lake.folder))
    assert texts(pinned(lake, "rows.csv")) == [NEW]


def test_a_folder_gives_its_data_files_sorted_and_one_file_of_it_itself(lake: DvcRepository) -> None:
    whole = pinned(lake, "folder")
    assert [file.name.partition(":folder/")[2] for file in whole.files] == ["a.csv", "deep/b.csv"]
    assert texts(whole) == [OLD, NEW]
    assert whole.hash.endswith(".dir")
    assert whole.remote.endswith(f"/files/md5/{whole.hash[:2]}/{whole.hash[2:]}")
    one = pinned(lake, "folder/deep/b.csv")
    assert (texts(one), one.remote) == ([NEW], f"{remote_of(lake).as_uri()}/{object_of(NEW)}")
    inner = pinned(lake, "folder/deep")
    assert (texts(inner), inner.hash) == ([NEW], whole.hash)


def test_nothing_is_written_to_the_repository_or_its_remote(lake: DvcRepository) -> None:
    before = snapshot_of(lake.folder) | snapshot_of(remote_of(lake))
    pinned(lake, "folder")
    assert snapshot_of(lake.folder) | snapshot_of(remote_of(lake)) == before


def test_what_is_in_the_cache_needs_no_remote(lake: DvcRepository) -> None:
    first = pinned(lake, "folder")
    shutil.rmtree(remote_of(lake))
    again = pinned(lake, "folder")
    assert (texts(again), again.remote) == (texts(first), first.remote)
    with pytest.raises(TrainerError, match=r"the folder .*/remote of the remote 'store' is not there") as raised:
        pinned(lake, "folder/README.md")
    assert raised.value.retry_can_help


def test_several_at_once_share_the_cache(lake: DvcRepository) -> None:
    def read(number: int) -> list[str]:
        scratch = lake.folder.with_name(f"scratch-{number}")
        scratch.mkdir()
        return texts(pinned_files(DvcSource(repository=lake.address, path="folder"), None, scratch))

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(read, range(3))) == [[OLD, NEW]] * 3
    assert not list(lake.folder.with_name("cache").rglob(f"{STAGING}*"))


@pytest.mark.parametrize("content", [NEW[:-4].encode(), b"", b"x" * len(NEW)], ids=["cut-off", "empty", "another"])
def test_a_damaged_object_in_the_cache_is_fetched_anew(lake: DvcRepository, content: bytes) -> None:
    place = pinned(lake, "rows.csv").files[0].path
    place.chmod(0o644)
    place.write_bytes(content)
    assert texts(pinned(lake, "rows.csv")) == [NEW]


@pytest.mark.parametrize("path", ["rows.csv", "folder"])
def test_a_damaged_object_in_the_remote_is_refused_and_not_kept(lake: DvcRepository, path: str) -> None:
    for file in remote_of(lake).rglob("*"):
        if file.is_file():
            file.chmod(0o644)
            file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(DataValidationError, match=r"/files/md5/.* is damaged \(its \d+ bytes .*`dvc push` it again"):
        pinned(lake, path)
    assert not cached(lake)


@pytest.mark.parametrize(("path", "text"), [("rows.csv", NEW), ("folder", OLD)])
def test_an_object_that_was_not_pushed_is_named(lake: DvcRepository, path: str, text: str) -> None:
    (remote_of(lake) / object_of(text)).unlink()
    expected = rf":{path}.*: the remote 'store' has no object file://.*/{object_of(text)}; .* to run `dvc push`$"
    with pytest.raises(DataValidationError, match=expected):
        pinned(lake, path)


@pytest.mark.parametrize(
    ("path", "kind", "message"),
    [
        ("row.csv", DataValidationError, "there is no 'row.csv' of file:.*; did you mean 'rows.csv'"),
        ("plain.csv", DataValidationError, "'plain.csv' .*is not tracked by DVC, so no hash pins it: `dvc add plain.csv`"),
        ("folder/x.csv", DataValidationError, "the folder 'folder' .* has no 'x.csv'"),
        ("rows.csv/x", DataValidationError, "is inside a file"),
        ("folder/README.md", None, ""),
    ],
)  # fmt: skip
def test_paths_that_nothing_pins(lake: DvcRepository, path: str, kind: type[Exception] | None, message: str) -> None:
    if kind is None:
        assert texts(pinned(lake, path)) == ["none of the data"]
        return
    with pytest.raises(kind, match=message):
        pinned(lake, path)


def test_a_folder_without_data_is_refused(lake: DvcRepository) -> None:
    with pytest.raises(DataValidationError, match=r"no file in 'folder' of .* ends with .parquet or .pq"):
        pinned(lake, "folder", format="parquet")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"revision": "mian"}, r"^source\.revision: .* has no branch or tag 'mian'; did you mean 'main'"),
        ({"commit": "1" * 40}, r"^source\.commit: .* has no commit 1111"),
        ({"remote": "stroe"}, r"^source\.remote: .* has no remote 'stroe'; did you mean 'store'"),
    ],
    ids=["revision", "commit", "remote"],
)
def test_names_that_are_wrong(lake: DvcRepository, values: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        pinned(lake, "rows.csv", **values)


def test_repositories_that_cannot_be_read(lake: DvcRepository) -> None:
    nowhere = DvcRepository(lake.folder.with_name("nowhere"), lake.home)
    with pytest.raises(ConfigurationError, match=r"^source\.repository: file://.*nowhere does not exist"):
        pinned(nowhere, "rows.csv")
    git("rm", "-r", "-q", "--cached", ".dvc", cwd=lake.folder)
    shutil.rmtree(lake.folder / ".dvc")
    lake.commit({})
    with pytest.raises(ConfigurationError, match=r"is no DVC repository: there is no folder .dvc above 'rows.csv'"):
        pinned(lake, "rows.csv")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("", "has no default remote; name one in `source.remote`"),
        ("[core]\nremote = store\n['remote \"store\"']\nurl = s3://lake\nversion_aware = true\n", "by their names"),
        ("[core]\nremote = store\n['remote \"store\"']\nurl = s3://lake\nno_such_setting = 1\n", "no_such_setting"),
        ("[core]\nremote = store\n['remote \"store\"']\nurl = gs://lake\n", "requires 'dvc-gs' to be installed"),
        ("[core\n", "source.repository"),
    ],
    ids=["none", "versioned", "unknown", "not-installed", "broken"],
)
def test_remotes_that_cannot_be_used(lake: DvcRepository, settings: str, message: str) -> None:
    lake.commit({".dvc/config": settings})
    with pytest.raises(ConfigurationError, match=message):
        pinned(lake, "rows.csv")


def test_a_broken_dvc_file_beside_it_does_no_harm_unless_it_is_the_one(lake: DvcRepository) -> None:
    lake.commit({"other.csv.dvc": "outs: [", "folder.dvc": "outs:\n- path: folder\n"})
    assert texts(pinned(lake, "rows.csv")) == [NEW]
    with pytest.raises(DataValidationError, match=r"'other.csv' .*DVC cannot read .*other.csv.dvc"):
        pinned(lake, "other.csv")
    with pytest.raises(DataValidationError, match="'folder' of .* has no hash at"):
        pinned(lake, "folder")


def test_a_hash_that_is_a_path_leads_nowhere(lake: DvcRepository) -> None:
    lake.commit({"rows.csv.dvc": "outs:\n- md5: ../../../../../etc/passwd\n  hash: md5\n  path: rows.csv\n"})
    with pytest.raises(DataValidationError, match=r"rows.csv: .*passwd' is no hash of DVC's"):
        pinned(lake, "rows.csv")


def test_a_cache_that_cannot_be_written(lake: DvcRepository) -> None:
    lake.folder.with_name("cache").write_text("a file")
    with pytest.raises(ConfigurationError, match="DVC's cache .* cannot be written .*XDG_CACHE_HOME"):
        pinned(lake, "rows.csv")


def test_older_hashes_of_text_are_checked_too(lake: DvcRepository) -> None:
    text = "n,y\r\n1,no\r\n"
    digest = object_of(text.replace("\r\n", "\n")).removeprefix("files/md5/")
    place = remote_of(lake) / digest
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(text.encode())
    lake.commit({"old.csv.dvc": f"outs:\n- md5: {digest.replace('/', '')}\n  size: {len(text)}\n  path: old.csv\n"})
    found = pinned(lake, "old.csv")
    assert found.files[0].path.read_bytes() == text.encode()
    assert found.remote == place.as_uri()
    shutil.rmtree(lake.folder.with_name("cache"))
    place.write_bytes(b"n,y\r\n2,no\r\n")
    with pytest.raises(DataValidationError, match="is damaged"):
        pinned(lake, "old.csv")


def test_a_server_asks_for_the_login_and_its_relative_remote_is_nobodys(
    lake: DvcRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    git("clone", "-q", "--bare", lake.folder, lake.folder.with_name("served.git"), cwd=lake.folder)
    with serving(GitServer(lake.folder.parent, login=("anna", PASSWORD))) as server:
        source = DvcSource(repository=server.repository("served.git"), path="rows.csv")
        with pytest.raises(ConfigurationError, match=r"^source\.repository: .*asks for a login: put it into GIT_USER"):
            pin_revision(source)
        monkeypatch.setenv("GIT_USERNAME", "anna")
        monkeypatch.setenv("GIT_PASSWORD", "wrong-one")
        with pytest.raises(ConfigurationError, match="refuses the login") as raised:
            pin_revision(source)
        assert "wrong-one" not in str(raised.value)
        monkeypatch.setenv("GIT_PASSWORD", PASSWORD)
        assert pin_revision(source).commit == lake.head
        with pytest.raises(ConfigurationError, match="'store' of .* is a folder relative to somebody's working tree"):
            pinned_files(source, None, lake.folder.with_name("scratch"))
    with pytest.raises(OutageError, match="cannot be reached"):
        pin_revision(source)
