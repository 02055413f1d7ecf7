"""`.env` is written once, whole and for its owner only; missing, weak and repeated values are named, never shown."""

from __future__ import annotations

import re
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from include.stack.docker import StackError
from include.stack.env_file import create, mistakes_of, read_env, write_env
from include.stack.env_keys import KEYS
from tests.include.stack.conftest import edit
from tests.world import PROJECT

SECRETS = [key.name for key in KEYS if key.is_secret]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / ".env"
    assert write_env(path)
    return path


def test_a_new_file_is_sound_and_its_secrets_are_random(file: Path, tmp_path: Path) -> None:
    assert mistakes_of(file) == []
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    other = tmp_path / "other"
    write_env(other)
    first, second = read_env(file), read_env(other)
    assert [name for name in SECRETS if first[name] == second[name]] == []
    assert Fernet(first["AIRFLOW_FERNET_KEY"]).encrypt(b"x")
    assert [path.name for path in sorted(tmp_path.iterdir())] == [".env", "other"]


def test_an_existing_file_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert create(tmp_path) == 0
    before = (tmp_path / ".env").read_bytes()
    assert create(tmp_path) == 0
    assert (tmp_path / ".env").read_bytes() == before
    assert capsys.readouterr().out.splitlines() == [
        "wrote .env with random values; make up starts the stack",
        ".env is already there and stays as it is",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".data", ".env"]


def test_many_at_once_write_one_file(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from include.stack.env_file import write_env; print(write_env(Path(sys.argv[1])))"
    command = [sys.executable, "-c", code, str(tmp_path / ".env")]
    running = [subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = sorted(process.communicate()[0].strip() for process in running)
    assert said == ["False", "False", "False", "True"]
    assert mistakes_of(tmp_path / ".env") == []


def test_it_needs_the_standard_library_only(tmp_path: Path) -> None:
    code = "import include.stack.__main__, sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(PROJECT)!r}); {code}"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert {*done.stdout.split()} & {"pydantic", "yaml", "trainer", "airflow"} == set()


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("REDIS_PASSWORD", None, "REDIS_PASSWORD is missing; add a line as .env.example describes it"),
        ("REDIS_PASSWORD", "", "REDIS_PASSWORD is missing"),
        ("AIRFLOW_ADMIN_PASSWORD", "admin", "AIRFLOW_ADMIN_PASSWORD is weak: expected at least 24 characters"),
        ("POSTGRES_PASSWORD", "a" * 40, "POSTGRES_PASSWORD is weak: .* 10 of them different"),
        ("S3_SECRET_KEY", "kfi3:8fj@e84/jf84jf84jf8k3lx", "S3_SECRET_KEY is weak: .* of A-Z a-z 0-9 _ -"),
        ("S3_SECRET_KEY", '"kfi38fje84jf84jf84jf8k3lx"', "S3_SECRET_KEY is weak"),
        ("AIRFLOW_FERNET_KEY", "kfi38fje84jf84jf84jf8k3lxkfi38fje84jf84jf84j", "FERNET_KEY is weak: expected 32 random"),
        ("AIRFLOW_FERNET_KEY", "A" * 43 + "=", "FERNET_KEY is weak: expected 32 random bytes"),
        ("MLFLOW_PORT", "http", "MLFLOW_PORT is wrong: expected a number from 1 to 65535"),
        ("MLFLOW_PORT", "70000", "MLFLOW_PORT is wrong"),
        ("MLFLOW_PORT", "9" * 5000, "MLFLOW_PORT is wrong"),
        ("MLFLOW_PORT", "05000", "MLFLOW_PORT is wrong"),
        ("MLFLOW_PORT", "5001\u00a0", "MLFLOW_PORT is wrong"),
        ("S3_PORT", "5000", "S3_PORT has the value of MLFLOW_PORT; give it one of its own"),
    ],
)  # fmt: skip
def test_a_value_that_is_refused(file: Path, key: str, value: str | None, said: str) -> None:
    edit(file, key, value)
    [line] = mistakes_of(file)
    assert re.match(rf"\.env: (AIRFLOW_)?{said}", line)
    assert key not in SECRETS or not value or value not in line


def test_a_password_that_is_used_twice(file: Path) -> None:
    edit(file, "CHURN_DB_PASSWORD", read_env(file)["STUDIES_DB_PASSWORD"])
    assert mistakes_of(file) == [".env: CHURN_DB_PASSWORD has the value of STUDIES_DB_PASSWORD; give it one of its own"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("REDIS_PASSWORD", ".env: line 21 is not KEY=value; correct it"),
        ("S3_PORT=1", ".env: S3_PORT is given twice, again in line 19; remove one of them"),
    ],
    ids=["no value", "twice"],
)
def test_a_file_that_cannot_be_read(file: Path, line: str, said: str) -> None:
    file.write_text(f"{file.read_text()}{line}\n")
    number = len(file.read_text().splitlines())
    assert mistakes_of(file) == [re.sub(r"line \d+", f"line {number}", said)]


def test_lines_end_where_compose_ends_them(file: Path) -> None:
    file.write_bytes(f"{file.read_text()}NOTE=a\u2028S3_PORT=1\n".replace("\n", "\r\n").encode())
    assert mistakes_of(file) == []


def replace_by_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def replace_by_link(file: Path) -> None:
    file.unlink()
    file.symlink_to("elsewhere")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (replace_by_folder, ".env cannot be read (Is a directory); it has to be a file of yours"),
        (replace_by_link, ".env is a link to elsewhere, which does not exist; remove it, then run make env"),
        (lambda file: file.write_bytes(b"# one\n# caf\xe9\n"), ".env: line 2 is not UTF-8; write it anew"),
    ],
    ids=["folder", "link", "not UTF-8"],
)
def test_what_is_not_a_file_of_text(file: Path, change: Callable[[Path], object], said: str) -> None:
    change(file)
    assert mistakes_of(file) == [said]


def test_a_link_that_leads_nowhere_is_not_kept(tmp_path: Path) -> None:
    (tmp_path / ".env").symlink_to("elsewhere")
    with pytest.raises(StackError, match="is a link to elsewhere, which does not exist; remove it"):
        create(tmp_path)


def test_a_checkout_that_takes_no_files(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"takes no files \(No such file or directory\); use a checkout"):
        create(tmp_path / "absent")


def test_a_data_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / ".data").touch()
    with pytest.raises(StackError, match="^.data is not a folder; move it away, then run make env$"):
        create(tmp_path)


def test_others_may_not_read_it(file: Path) -> None:
    file.chmod(0o644)
    assert mistakes_of(file) == [".env: mode 644 lets other users in; run chmod 600 .env"]


def test_without_a_file(tmp_path: Path) -> None:
    assert mistakes_of(tmp_path / ".env") == [".env is missing; run make env"]


def test_the_example_describes_each_key_and_holds_no_secret() -> None:
    example = read_env(PROJECT / ".env.example")
    assert [*example] == [key.name for key in KEYS]
    assert {name: value for name, value in example.items() if value} == {
        key.name: key.new() for key in KEYS if not key.is_secret
    }


def test_git_and_images_leave_it_out() -> None:
    assert ".env" in (PROJECT / ".gitignore").read_text().splitlines()
    assert "!.env" not in (PROJECT / ".dockerignore").read_text()
