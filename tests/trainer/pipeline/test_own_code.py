"""What a pipeline may say about a code repository, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from trainer.errors import ConfigurationError
from trainer.pipeline import Code, validate

ADDRESS = "https://git.example/group/models.git"


def code(**values: Any) -> Code:
    return validate(Code, {"repository": ADDRESS, **values}, "churn.yaml")


def test_what_is_left_out() -> None:
    assert code().model_dump() == {"repository": ADDRESS, "ref": "main", "path": ".", "commit": None}


@pytest.mark.parametrize(
    "address",
    [ADDRESS, "http://gitea.tools.svc:3000/a/b", "file:///srv/models.git", "https://[::1]:8443/a.git"],
)
def test_addresses(address: str) -> None:
    assert code(repository=address).repository == address


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        pytest.param("git@git.example:group/models.git", "ssh would need a key in each pod; use https://", id="scp"),
        pytest.param("ssh://git@git.example/models.git", "GIT_USERNAME and GIT_PASSWORD", id="ssh"),
        pytest.param("https://anna:pa55@git.example/m.git", "holds a password, which would be kept", id="password"),
        pytest.param("https://token1@git.example/m.git", "holds a user name or a token", id="token"),
        pytest.param("https://git.example/m.git?private_token=x", r"a secret \(private_token\)", id="parameter"),
        pytest.param("git://git.example/m.git", "begins with https://, http:// or file://", id="git"),
        pytest.param("ext::sh -c id", "begins with https://, http:// or file://", id="command"),
        pytest.param("--upload-pack=id", "begins with https://, http:// or file://", id="option"),
        pytest.param("https://git.example/a b", "begins with https://", id="blank"),
        pytest.param("https://git.example/a\nb", "begins with https://", id="line-break"),
        pytest.param("../models", "begins with https://", id="path"),
        pytest.param("file://models.git", "names no repository", id="relative"),
        pytest.param("https://git.example/", "names no repository", id="host-alone"),
    ],
)
def test_addresses_that_are_refused(address: str, expected: str) -> None:
    with pytest.raises(ConfigurationError, match=f"churn.yaml: repository: .*{expected}") as caught:
        code(repository=address)
    assert "pa55" not in str(caught.value)


@pytest.mark.parametrize("ref", ["main", "release/1.2", "v1.0", "refs/tags/v1", "HEAD", "a" * 40, "käse", "x+y@z"])
def test_refs(ref: str) -> None:
    assert code(ref=ref).ref == ref


@pytest.mark.parametrize(
    "ref",
    ["--upload-pack=id", "-x", "a b", "a..b", "a~1", "a^", "a:b", "a?", "a*", "a[b", "a\\b", "a//b", "/a", "a/", "a.",
     ".a", "a/.b", "a.lock", "a@{1}", "@", "a\n"],
)  # fmt: skip
def test_refs_that_git_refuses(ref: str) -> None:
    with pytest.raises(ConfigurationError, match="ref: git allows no branch or tag of the name"):
        code(ref=ref)


def test_an_empty_ref_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"ref: string should have at least 1 character"):
        code(ref="")


@pytest.mark.parametrize("path", [".", "src", "tasks/lib", "a..b"])
def test_folders(path: str) -> None:
    assert code(path=path).path == path


@pytest.mark.parametrize("path", ["..", "a/../..", "/etc", "a:b", "a\\b", ".git", "a/.git", "a\nb"])
def test_folders_outside_or_of_another_meaning_are_refused(path: str) -> None:
    with pytest.raises(ConfigurationError, match="path: a path inside the repository is needed"):
        code(path=path)


@pytest.mark.parametrize("commit", ["abc", "A" * 40, "g" * 40])
def test_a_commit_has_forty_digits(commit: str) -> None:
    with pytest.raises(ConfigurationError, match="commit: "):
        code(commit=commit)
