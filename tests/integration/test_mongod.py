"""Finding a mongod, and saying in one line what keeps one from running."""

import stat
from pathlib import Path
from typing import Any

import pytest

from devtools import mongod
from devtools.embedded_mongo import EmbeddedMongo, EmbeddedMongoError
from tests.system_processes import await_end


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "mongo"


def fake_mongod(tmp_path: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    binary = tmp_path / "fake-mongod"
    binary.write_text(f"#!/bin/sh\n{script}\n")
    binary.chmod(0o755)
    monkeypatch.setenv("MONGOD_BINARY", str(binary))


def complaint(folder: Path, **options: Any) -> str:
    """What a start that cannot work says: always one line, and nothing is left running."""
    mongo = EmbeddedMongo(folder, **options)
    with pytest.raises(EmbeddedMongoError) as caught:
        mongo.start()
    assert "\n" not in str(caught.value)
    assert not mongo.running
    return str(caught.value)


def test_without_any_mongod_the_message_says_how_to_get_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MONGOD_BINARY", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(mongod, "_WHEEL", "no_such_package")
    said = complaint(folder)
    assert said.startswith("No mongod was found")
    for way_out in ("apt-get install", "MONGOD_BINARY", "MONGODB_URI", "docker compose up"):
        assert way_out in said


def test_a_named_mongod_that_is_not_there_is_named_in_the_message(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONGOD_BINARY", "/nowhere/mongod")
    assert complaint(folder).startswith("MONGOD_BINARY=/nowhere/mongod is not a program")


def test_a_mongod_on_the_path_goes_before_that_of_the_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MONGOD_BINARY", raising=False)
    (tmp_path / "mongod").touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert mongod.find_mongod() == tmp_path / "mongod"


def test_the_mongod_of_a_wheel_is_made_runnable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binary = tmp_path / "some_wheel" / "db" / "bin" / "mongod"
    binary.parent.mkdir(parents=True)
    binary.touch(0o644)
    monkeypatch.delenv("MONGOD_BINARY", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(mongod, "_WHEEL", "some_wheel")
    assert mongod.find_mongod() == binary
    assert binary.stat().st_mode & stat.S_IXUSR


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (
            "echo 'mongod: error while loading shared libraries: libcurl.so.4: cannot open' >&2; exit 127",
            "the library libcurl.so.4 is missing",
        ),
        ('echo "/lib/libc.so.6: version \\`GLIBC_2.34\' not found" >&2; exit 1', "this system lacks GLIBC_2.34"),
        ("kill -ILL $$", "lacks AVX"),
        ("echo 'invalid featureCompatibilityVersion document'; exit 62", "newer, version of MongoDB"),
        ("exit 100", "may not write there"),
        ("echo what; exit 14", "mongod ended at once (exit code 14)"),
        ("kill -SEGV $$", "mongod ended at once (signal 11)"),
    ],
)
def test_a_mongod_that_dies_says_what_of(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    fake_mongod(tmp_path, script, monkeypatch)
    assert said in complaint(folder)


def test_a_mongod_that_does_not_come_up_is_ended_in_time(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_mongod(tmp_path, f"echo $$ > {tmp_path}/pid; exec sleep 60", monkeypatch)
    assert "did not start in time" in complaint(folder, start_timeout=1)
    await_end(int((tmp_path / "pid").read_text()))


def test_a_program_of_another_machine_is_refused_in_one_line(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binary = tmp_path / "alien"
    binary.write_bytes(b"\x7fALIEN\0\0")
    binary.chmod(0o755)
    monkeypatch.setenv("MONGOD_BINARY", str(binary))
    assert "cannot be run" in complaint(folder)


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = complaint(tmp_path / "file" / "mongo")
    assert said.startswith(f"MongoDB cannot keep its data in {tmp_path / 'file' / 'mongo'}")
    assert "DATA_DIR" in said
