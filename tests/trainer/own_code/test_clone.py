"""Cloning one commit: from real repositories, into folders in every state, and what is told where it fails."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.git_world import GitServer, Repository, git, helpers_of, serving, without_git
from trainer.errors import ConfigurationError, OutageError, TrainerError
from trainer.own_code import clone as cloning
from trainer.own_code import git as running
from trainer.own_code.clone import MARK, STAGING, clone, commit_in, source_folder
from trainer.own_code.git import Git
from trainer.own_code.refs import resolve
from trainer.pipeline import Code

PASSWORD = "planted-git-p@ss word"
FILES = {"src/my_models/__init__.py": "VERSION = 1\n", "README.md": "first\n"}


@pytest.fixture(autouse=True)
def _no_login(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_USERNAME", "GIT_PASSWORD"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.create(tmp_path / "served" / "models.git", FILES)


@pytest.fixture
def server(repository: Repository) -> Iterator[GitServer]:
    with serving(GitServer(repository.folder.parent)) as server:
        yield server


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "code"


def checked_out(code: Code, target: Path) -> str:
    with Git.of(code.repository) as git:
        commit = resolve(git, code)
        clone(git, code, commit, target)
    return commit


def served(server: GitServer, **values: str) -> Code:
    return Code(repository=server.repository("models.git"), **values)


def test_a_commit_lies_in_the_folder_with_nothing_else(repository: Repository, target: Path) -> None:
    commit = checked_out(Code(repository=repository.address), target)
    assert commit == repository.head == commit_in(target)
    assert {one.name for one in target.iterdir()} == {".git", "src", "README.md"}
    assert git("rev-list", "--count", "HEAD", cwd=target) == "1"


@pytest.mark.parametrize("kind", ["branch", "tag", "annotated", "full", "digits", "HEAD"])
@pytest.mark.parametrize("protocol_2", [True, False], ids=["protocol-2", "protocol-0"])
def test_what_a_ref_may_be(
    server: GitServer, repository: Repository, target: Path, kind: str, protocol_2: bool
) -> None:
    server.protocol_2 = protocol_2
    old = repository.head
    git("tag", "v1", cwd=repository.folder)
    git("tag", "--annotate", "--message", "one", "release/1", cwd=repository.folder)
    git("branch", "dev", cwd=repository.folder)
    git("branch", "other/dev", cwd=repository.folder)
    new = repository.commit({"README.md": "second\n"})
    refs = {
        "branch": "dev",
        "tag": "v1",
        "annotated": "release/1",
        "full": "refs/heads/main",
        "digits": old,
        "HEAD": "HEAD",
    }
    expected = new if kind in {"full", "HEAD"} else old
    assert checked_out(served(server, ref=refs[kind]), target) == expected
    assert commit_in(target) == expected
    assert (target / "README.md").read_text() == ("second\n" if expected == new else "first\n")


@pytest.mark.parametrize("protocol_2", [True, False], ids=["protocol-2", "protocol-0"])
def test_a_commit_far_behind_its_branch_is_found(
    server: GitServer, repository: Repository, target: Path, protocol_2: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.protocol_2 = protocol_2
    monkeypatch.setattr(cloning, "SOME_COMMITS", 2)
    old = repository.head
    for number in range(4):
        repository.commit({"README.md": f"{number}\n"})
    checked_out(served(server, commit=old), target)
    assert commit_in(target) == old


def test_a_commit_of_no_branch_is_told(server: GitServer, target: Path) -> None:
    with pytest.raises(ConfigurationError, match="has no commit f{40}, or has it no longer since its branch was rewr"):
        checked_out(served(server, commit="f" * 40), target)
    with pytest.raises(ConfigurationError, match=r"^code\.ref: .* has no commit e{40}$"):
        checked_out(served(server, ref="e" * 40), target)
    assert [*target.iterdir()] == []


def test_a_ref_that_does_not_exist_is_told_with_those_that_do(repository: Repository, target: Path) -> None:
    git("tag", "v1.2", cwd=repository.folder)
    with pytest.raises(
        ConfigurationError, match=r"no branch or tag 'mian'; did you mean 'main'\? there are main, v1\.2"
    ):
        checked_out(Code(repository=repository.address, ref="mian"), target)
    with pytest.raises(ConfigurationError, match="no branch or tag 'abcdef0'; for a commit, write all its 40 digits"):
        checked_out(Code(repository=repository.address, ref="abcdef0"), target)
    assert not target.exists()


def test_a_repository_without_a_commit_is_told(tmp_path: Path, target: Path) -> None:
    git("init", "--quiet", "empty", cwd=tmp_path)
    with pytest.raises(ConfigurationError, match="has no branch or tag 'main'; it has none at all"):
        checked_out(Code(repository=f"file://{tmp_path}/empty"), target)


def test_a_branch_and_a_tag_of_one_name_have_to_be_told_apart(repository: Repository, target: Path) -> None:
    git("tag", "main", cwd=repository.folder)
    repository.commit({"README.md": "second\n"})
    with pytest.raises(ConfigurationError, match="is a branch and a tag; say which: refs/heads/main or refs/tags/main"):
        checked_out(Code(repository=repository.address), target)
    assert checked_out(Code(repository=repository.address, ref="refs/heads/main"), target) == repository.head


@pytest.mark.parametrize("scheme", ["file", "http"])
def test_a_repository_that_does_not_exist_is_told(server: GitServer, target: Path, scheme: str) -> None:
    address = server.repository("modles.git") if scheme == "http" else f"file://{server.root}/modles.git"
    with pytest.raises(
        ConfigurationError, match=r"modles\.git does not exist, or is no git repository: correct the address; if"
    ):
        checked_out(Code(repository=address), target)


def test_a_login_is_given_to_a_server_that_asks(
    server: GitServer, repository: Repository, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.login = ("anna", PASSWORD)
    monkeypatch.setenv("GIT_USERNAME", "anna")
    monkeypatch.setenv("GIT_PASSWORD", f"{PASSWORD}\n")
    checked_out(served(server), target)
    assert commit_in(target) == repository.head
    found = b"".join(file.read_bytes() for file in target.rglob("*") if file.is_file())
    assert PASSWORD.encode() not in found


@pytest.mark.parametrize(
    ("login", "expected"),
    [
        pytest.param(None, "asks for a login: put it into GIT_USERNAME and GIT_PASSWORD, as a Secret", id="none"),
        pytest.param("wrong-secret", "refuses the login: correct GIT_USERNAME and GIT_PASSWORD", id="wrong"),
    ],
)
def test_a_login_that_is_refused_is_told_without_it(
    server: GitServer, target: Path, monkeypatch: pytest.MonkeyPatch, login: str | None, expected: str
) -> None:
    server.login = ("anna", PASSWORD)
    if login:
        monkeypatch.setenv("GIT_PASSWORD", login)
    with pytest.raises(ConfigurationError, match=expected) as caught:
        checked_out(served(server), target)
    assert "wrong-secret" not in f"{caught.value} {caught.value.__cause__}"


def test_a_login_goes_to_the_repositorys_host_alone(
    server: GitServer, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_PASSWORD", PASSWORD)
    with serving(GitServer(server.root, login=("git", PASSWORD))) as other:
        server.redirect = other.address
        with pytest.raises(ConfigurationError, match="refuses the login"):
            checked_out(served(server), target)
        assert {*other.authorizations} == {""}


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_server_with_an_error_of_its_own_is_an_outage(server: GitServer, target: Path, status: int) -> None:
    server.status = status
    with pytest.raises(OutageError, match=rf"models\.git cannot be reached \(.*{status}.*clear the task"):
        checked_out(served(server), target)


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/x.git", "https://nowhere.invalid/x.git"])
def test_a_server_that_is_not_there_is_an_outage(address: str, target: Path) -> None:
    with pytest.raises(OutageError, match="cannot be reached"):
        checked_out(Code(repository=address), target)


def test_a_server_that_hangs_is_given_up_with_its_helpers(
    server: GitServer, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.seconds = 60
    monkeypatch.setattr(running, "ASK_SECONDS", 1)
    with pytest.raises(OutageError, match=r"did not answer git ls-remote in 1 seconds"):
        checked_out(served(server), target)
    assert helpers_of(server.address) == []


def test_what_git_says_and_nobody_knows_may_pass(repository: Repository) -> None:
    with (
        pytest.raises(TrainerError, match=r"git failed: .*not a git command") as caught,
        Git.of(repository.address) as git,
    ):
        git.run("frobnicate")
    assert caught.value.retry_can_help


def test_without_git_it_is_said_what_to_install(
    repository: Repository, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", without_git(tmp_path / "bin"))
    with pytest.raises(
        ConfigurationError, match="git is not installed here, and `code` needs it: add the package `git`"
    ):
        checked_out(Code(repository=repository.address), target)


def test_a_folder_inside_that_does_not_exist_is_told(repository: Repository, target: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no folder 'lib' in file://.* at main; there are src"):
        checked_out(Code(repository=repository.address, path="lib"), target)
    assert [*target.iterdir()] == []


def test_a_folder_inside_that_leads_outside_is_refused(repository: Repository, target: Path, tmp_path: Path) -> None:
    (repository.folder / "lib").symlink_to(tmp_path)
    repository.commit({})
    with pytest.raises(ConfigurationError, match="no folder 'lib'"):
        checked_out(Code(repository=repository.address, path="lib"), target)


def test_an_empty_mount_keeps_its_own_folder(repository: Repository, target: Path) -> None:
    (target / "lost+found").mkdir(parents=True)
    before = target.stat().st_ino
    checked_out(Code(repository=repository.address), target)
    assert (target.stat().st_ino, (target / "lost+found").is_dir()) == (before, True)


@pytest.mark.parametrize("left", ["staging", "half-moved", "complete"])
def test_what_a_killed_try_has_left_goes(repository: Repository, target: Path, left: str) -> None:
    code = Code(repository=repository.address)
    target.mkdir()
    if left == "complete":
        checked_out(code, target)
    else:
        (target / f"{STAGING}abc" / "src").mkdir(parents=True)
    (target / "left.py").write_text("" if left == "half-moved" else "x = 1")
    repository.commit({"README.md": "second\n"})
    checked_out(code, target)
    assert {one.name for one in target.iterdir()} == {".git", "src", "README.md"}
    assert commit_in(target) == repository.head


def test_a_clone_that_is_killed_while_it_is_moved_does_not_count(
    repository: Repository, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace
    moved: list[str] = []

    def killed_at_the_second(source: Path, destination: Path) -> Path:
        if moved:
            raise KeyboardInterrupt
        moved.append(source.name)
        return replace(source, destination)

    monkeypatch.setattr(Path, "replace", killed_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        checked_out(Code(repository=repository.address), target)
    assert [one.name for one in target.iterdir()] == moved
    assert commit_in(target) == ""


def test_a_clone_without_its_git_folder_does_not_count(repository: Repository, target: Path) -> None:
    checked_out(Code(repository=repository.address), target)
    (target / ".git" / MARK).unlink()
    assert commit_in(target) == ""
    assert commit_in(target / "src") == ""


def test_asked_again_an_unchanged_clone_stays(repository: Repository, target: Path) -> None:
    code = Code(repository=repository.address)
    checked_out(code, target)
    (target / "src" / "__pycache__").mkdir()
    before = (target / "README.md").stat().st_ino
    checked_out(code, target)
    assert (target / "README.md").stat().st_ino == before
    (target / "README.md").write_text("changed by hand\n")
    checked_out(code, target)
    assert (target / "README.md").read_text() == "first\n"
    assert not (target / "src" / "__pycache__").exists()


@pytest.mark.parametrize("what", ["file", "full", "checkout"])
def test_nothing_is_removed_that_is_not_ours(repository: Repository, target: Path, what: str) -> None:
    if what == "file":
        target.write_text("thesis")
    elif what == "checkout":
        Repository.create(target, {"thesis.txt": "x"})
    else:
        target.mkdir()
        (target / "thesis.txt").write_text("x")
    with pytest.raises(ConfigurationError, match="name an empty folder for the code|name a folder for the code"):
        checked_out(Code(repository=repository.address), target)
    assert target.is_file() or (target / "thesis.txt").exists()


def test_nothing_of_the_repository_or_of_the_machine_is_run(
    repository: Repository, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\ncat\n")
    trap.chmod(0o755)
    templates = tmp_path / "templates" / "hooks"
    templates.mkdir(parents=True)
    (templates / "post-checkout").symlink_to(trap)
    monkeypatch.setenv("GIT_TEMPLATE_DIR", str(templates.parent))
    (tmp_path / ".gitconfig").write_text(
        f'[core]\n\thooksPath = {templates}\n[filter "lfs"]\n\tsmudge = {trap}\n\trequired = true\n'
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    pointer = "version https://git-lfs.github.com/spec/v1\n"
    repository.commit({".gitattributes": "*.bin filter=lfs\n", "weights.bin": pointer})
    checked_out(Code(repository=repository.address), target)
    assert not (tmp_path / "sprung").exists()
    assert (target / "weights.bin").read_text() == pointer
    assert not (target / ".git" / "hooks").exists()


def test_submodules_are_left_out(repository: Repository, target: Path, tmp_path: Path) -> None:
    other = Repository.create(tmp_path / "other", {"a.py": ""})
    add = ("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", other.address, "sub")
    git(*add, cwd=repository.folder)
    repository.commit({})
    checked_out(Code(repository=repository.address), target)
    assert [*(target / "sub").iterdir()] == []


def test_home_may_be_read_only(repository: Repository, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/proc/nowhere")
    checked_out(Code(repository=repository.address), target)
    assert commit_in(target) == repository.head


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_repository_of_another_owner_is_read(repository: Repository, target: Path) -> None:
    for one in [repository.folder, *repository.folder.rglob("*")]:
        os.chown(one, 12345, 12345)
    checked_out(Code(repository=repository.address), target)
    for one in [target, *target.rglob("*")]:
        os.chown(one, 12345, 12345)
    checked_out(Code(repository=repository.address), target)
    assert commit_in(target)


def test_the_folder_that_python_imports_from(repository: Repository, target: Path) -> None:
    code = Code(repository=repository.address, path="src")
    checked_out(code, target)
    assert source_folder(target, code) == (target / "src").resolve()
    assert source_folder(target, code.model_copy(update={"path": "."})) == target.resolve()
