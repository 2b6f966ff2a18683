from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fleet import PROFILE

from agent.cli import main


def test_help_is_quick_and_loads_nothing_heavy() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "agent.cli", "--help"]
    began_s = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert time.monotonic() - began_s < 1.0  # 0.05 s on an idle machine
    for heavy in ("paho", "cryptography", "yaml", "numpy", "onnxruntime", "msgspec"):
        assert heavy not in done.stderr


def test_the_supervisor_never_loads_the_runtime() -> None:
    code = "import sys, agent.daemon, agent.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "onnxruntime", "psutil", "torch"} & set(done.stdout.split())


def test_what_the_supervisor_does_not_use_is_not_loaded_and_can_be_later() -> None:
    code = """
import sys
from agent.lean import lean
with lean():
    import agent.daemon
print(*sys.modules)
import hmac, ssl, urllib.request
assert ssl.SSLContext and urllib.request.Request and hmac.HMAC
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"ssl", "_ssl", "_hashlib", "socks", "http.client", "urllib.request"} & set(done.stdout.split())


def test_what_is_loaded_already_stays() -> None:
    code = """
import ssl
from agent.lean import lean
with lean():
    from paho.mqtt import client
assert client.ssl is ssl
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_check_shows_a_profile_in_human_units(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "profile.yaml"
    path.write_text(PROFILE)
    assert main(["check", str(path)]) == 0
    shown = capsys.readouterr().out
    for text in ("dev-1", "96 MiB", "40 ms", "5 Hz", "sustained power", "4.38 W at most", "10 Wh"):
        assert text in shown


def test_check_says_what_is_wrong_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "profile.yaml"
    path.write_text("device: a\nstorage: 5")
    assert main(["check", str(path)]) == 2
    assert main(["check", str(tmp_path / "none")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith(f"agent: {path}:2: storage: ")
    assert lines[1].endswith("none: No such file or directory")
    assert len(lines) == 2


def test_run_without_configuration_says_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run"]) == 2
    assert capsys.readouterr().err == "agent: 'profile' is missing; give it here or as --profile\n"


def test_a_wrong_command_is_wrong_usage() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["fly"])
    assert ended.value.code == 2


def test_status_of_a_living_and_of_a_dead_agent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--state", str(tmp_path)]) == 1
    assert "has an agent run here?" in capsys.readouterr().err
    (tmp_path / "status.json").write_text(json.dumps({"pid": os.getpid(), "phase": "active", "sha256": None}))
    assert main(["status", "--state", str(tmp_path)]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].split() == ["running", "yes"]
    assert shown[-1].split() == ["sha256", "-"]
    (tmp_path / "status.json").write_text(json.dumps({"pid": 2**22 + 1}))
    main(["status", "--state", str(tmp_path)])
    assert "no, this is how it was" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "redirect", "encoding", "told"),
    [
        ("check", ">/dev/full", "utf-8", "agent: standard output cannot be written: No space left on device\n"),
        ("--help", ">/dev/full", "utf-8", "agent: standard output cannot be written: No space left on device\n"),
        ("check", ">&-", "utf-8", "agent: standard output is closed\n"),
        ("--help", ">&-", "utf-8", "agent: standard output is closed\n"),
        ("check", ">&- 2>&-", "utf-8", ""),
        ("check", "", "ascii", r"agent: standard output is in ascii, which has no '\xfc'; PYTHONIOENCODING=utf-8"),
        ("check", "| true", "utf-8", ""),
        ("--help", "| true", "utf-8", ""),
    ],
)
def test_output_that_fails_is_one_line_and_exit_1(
    tmp_path: Path, command: str, redirect: str, encoding: str, told: str
) -> None:
    path = tmp_path / "profile.yaml"
    path.write_text("device: a\nlabels: {ward: Süd}\n", encoding="utf-8")
    arguments = f"check {path}" if command == "check" else command
    code = (
        "import sys, time; from agent.cli import main; time.sleep(0.3); sys.exit(main(sys.argv[1:]))"  # a pipe is gone
    )
    script = f"{sys.executable} -c '{code}' {arguments} {redirect}; exit ${{PIPESTATUS[0]}}"
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(told)
    assert len(done.stderr.splitlines()) == bool(told)


def test_a_closed_output_is_nothing_to_who_prints_nothing_and_its_number_is_no_file_s(tmp_path: Path) -> None:
    code = """
import os, sys
from agent.stdout import printing
def run():
    assert os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY) > 2
    os.write(1, b"what a library prints")
    return 0
sys.exit(printing("x", run))
"""
    script = f'"$0" -c "$1" {tmp_path}/precious <&- >&- 2>&-'
    done = subprocess.run(["bash", "-c", script, sys.executable, code], check=False, env={**os.environ})
    assert done.returncode == 0
    assert (tmp_path / "precious").read_bytes() == b""
