"""Before any command runs: what is imported, what is said when something is missing."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from controller.cli.app import app
from controller.client import Client, ClientError

HEAVY = ("torch", "sqlalchemy", "alembic", "fastapi", "starlette", "pydantic", "uvicorn", "httpx", "rich", "numpy")


def python(code: str, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    return subprocess.run(
        [sys.executable, *options, "-c", code], env=environment, capture_output=True, text=True, check=False
    )


def test_the_command_line_imports_nothing_heavy() -> None:
    result = python("import sys, json, controller.cli.app; json.dump(sorted(sys.modules), sys.stdout)")
    assert result.returncode == 0, result.stderr
    assert not {name.partition(".")[0] for name in json.loads(result.stdout)} & set(HEAVY)


def test_help_imports_nothing_heavy_either() -> None:
    code = """
import sys
sys.argv = ["controller", "--help"]
try:
    from controller.cli import main; main()
finally:
    print([name for name in sys.modules if name.partition(".")[0] in %r], file=sys.stderr)
"""
    result = python(code % (HEAVY,))
    assert "rollout" in result.stdout
    assert result.stderr == "[]\n"


@pytest.mark.parametrize("missing", ["typer", "httpx"])
def test_a_bare_install_says_which_extra_to_install(missing: str) -> None:
    code = f"""
import sys
sys.modules[{missing!r}] = None
sys.argv = ["controller", "device", "list"]
from controller.cli import main
main()
"""
    result = python(code)
    assert (result.returncode, result.stdout) == (1, "")
    assert "pip install 'hedgerow[controller]'" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_module_of_our_own_that_is_missing_is_not_called_an_extra() -> None:
    code = "import sys; sys.modules['controller.cli.options'] = None; from controller.cli import main; main()"
    result = python(code)
    assert "Traceback" in result.stderr


def test_no_controller_exits_5_and_says_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    result = CliRunner().invoke(app, ["device", "list", "--api", f"http://127.0.0.1:{port}"])
    assert result.exit_code == 5
    assert "controller serve" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [["device"], ["device", "show"], ["no-such"], ["device", "list", "-o", "xml"], ["telemetry", "x", "-n", "0"]],
)
def test_wrong_usage_exits_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, arguments).exit_code == 2


@pytest.mark.parametrize(
    "command", [[], ["device"], ["model"], ["rollout"], ["incident"], ["serve"], ["demo"], ["plan"]]
)
def test_every_command_has_help(command: list[str]) -> None:
    result = CliRunner().invoke(app, [*command, "--help"])
    assert (result.exit_code, result.stderr) == (0, "")


def test_serving_what_cannot_be_served_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "controller.yaml").write_text("brokr: nowhere\n")
    result = CliRunner().invoke(app, ["serve", "--state", str(tmp_path)])
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert "controller.yaml:1: brokr" in result.stderr


@pytest.mark.parametrize("api", ["nonsense", "ftp://x", "http://", "http://[::1"])
def test_an_address_that_is_none_is_an_error_in_words(api: str) -> None:
    with pytest.raises(ClientError) as raised, Client(api) as client:
        client.health()
    assert raised.value.exit_code in (2, 5)


def test_the_client_says_when_what_answers_is_no_controller() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        pid = subprocess.Popen(
            [sys.executable, "-c", SOME_OTHER_SERVER, str(server.fileno())], pass_fds=[server.fileno()]
        )
        api = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(ClientError, match="is no controller") as raised, Client(api, timeout_s=10) as client:
            client.health()
        pid.wait(10)
    assert raised.value.exit_code == 1


SOME_OTHER_SERVER = """
import socket, sys
connection, _ = socket.socket(fileno=int(sys.argv[1])).accept()
connection.recv(4096)
connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\n\\r\\nhello")
connection.close()
"""
