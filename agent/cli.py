"""The command `agent`: parse, call, print. Modules load only where they are used, so that `--help` is quick."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from agent import __version__
from agent.stdout import printing

USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 failed, 2 wrong usage or configuration."""
    return printing("agent", lambda: _main(arguments))


def _main(arguments: Sequence[str] | None) -> int:
    options = _parser().parse_args(arguments)
    from agent.wire.errors import WireError

    try:
        code: int = options.call(options)
    except WireError as error:
        print(f"agent: {error}", file=sys.stderr)
        return USAGE
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="agent", description="Runs what its controller assigns, within the budget.")
    parser.add_argument("--version", action="version", version=f"agent {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    run = commands.add_parser("run", help="run the agent until SIGTERM")
    _configured(run)
    run.add_argument("-v", "--verbose", action="store_true", help="log debugging details too")
    run.set_defaults(call=_run)
    status = commands.add_parser("status", help="show what the agent on this machine is doing")
    status.add_argument("--state", type=Path, required=True, help="the agent's state directory")
    status.set_defaults(call=_status)
    doctor = commands.add_parser("doctor", help="what the agent would find on this device, and how to mend the rest")
    _configured(doctor)
    doctor.set_defaults(call=_doctor)
    simulate = commands.add_parser("simulate", help="many devices of physics in one process, over real connections")
    simulate.add_argument("-n", "--count", type=int, default=100, help="how many; 100 by default")
    simulate.add_argument(
        "--profile",
        action="append",
        required=True,
        type=Path,
        help="a profile (YAML); repeated, they are taken in turn",
    )
    for flag in ("broker", "trusted-key"):
        simulate.add_argument(f"--{flag}", metavar="VALUE", required=True, help=_FLAGS[flag])
    simulate.add_argument("--window", metavar="VALUE", default="30 s", help=_FLAGS["window"])
    for flag, about in _SIMULATED.items():
        simulate.add_argument(f"--{flag}", metavar="VALUE", help=about)
    simulate.add_argument("--physics", metavar="NAME=RANGE", action="append", default=[], help=_PHYSICS)
    simulate.set_defaults(call=_simulate)
    check = commands.add_parser("check", help="validate a profile and show what it means")
    check.add_argument("profile", type=Path, metavar="PROFILE")
    check.set_defaults(call=_check)
    return parser


def _configured(command: argparse.ArgumentParser) -> None:
    command.add_argument("-c", "--config", type=Path, help="agent.yaml; flags override its keys")
    for flag, about in _FLAGS.items():
        command.add_argument(f"--{flag}", metavar="VALUE", help=about)


_FLAGS = {
    "profile": "the device's profile (YAML)",
    "broker": "host:port of the MQTT broker",
    "state": "directory for everything that must survive a restart",
    "trusted-key": "file with the controller's public key (raw Ed25519 in base64)",
    "sysfs": "root of the sensors' files, /sys by default",
    "window": "length of a telemetry window, as in '30 s'",
    "http": "loopback host:port for applications (Open Inference Protocol), as in 127.0.0.1:8520",
    "socket": "Unix socket for applications, STATE/inference.sock by default",
    "replay": ".npy of inputs to run on while no application asks; 'random' (the default) or 'none'",
    "gflops": "emulate a device that multiplies matrices at this rate; reported as emulated",
    "spool-limit": "telemetry windows kept while the controller cannot be reached",
}


_SIMULATED = {
    "prefix": "ids are PREFIX-00000 and so on; sim by default",
    "loss": "share of the messages that are lost, each way, as in 2%%",
    "cut": "a device's connection breaks so often, on average, as in '10 min'",
    "seed": "the same seed draws the same devices; 0 by default",
}
_PHYSICS = (
    "ambient, throttle (C), battery (%% charged) or slowness (a factor on the profile's), one figure or LOW..HIGH, as "
    "in ambient=20C..45C; repeatable"
)


def _run(options: argparse.Namespace) -> int:
    import logging
    import signal

    from agent.lean import lean

    with lean():
        from agent.config import KEYS, load_config
        from agent.daemon import AlreadyRunning, Daemon
        from agent.slots import SlotsError

    config = load_config(options.config, {key: getattr(options, key) for key in KEYS})
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO,
        format=f"%(asctime)s level=%(levelname)s device={config.profile.device} %(message)s",
    )
    try:
        daemon = Daemon(config)
    except (AlreadyRunning, SlotsError, OSError) as error:
        print(f"agent: {error}", file=sys.stderr)
        return 1
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: daemon.stop())
    daemon.run()
    return 0


def _status(options: argparse.Namespace) -> int:
    import msgspec

    path = options.state / "status.json"
    try:
        fields = msgspec.json.decode(path.read_bytes(), type=dict[str, object])
    except (OSError, msgspec.MsgspecError) as error:
        print(f"agent: {path}: {error}; has an agent run here?", file=sys.stderr)
        return 1
    alive = Path(f"/proc/{fields.get('pid')}").exists()
    print(f"{'running':14} {'yes' if alive else 'no, this is how it was at its end'}")
    for key, value in fields.items():
        print(f"{key:14} {'-' if value is None else value}")
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from agent.config import KEYS, load_config
    from agent.doctor import Device, Level, examine

    config = load_config(options.config, {key: getattr(options, key) for key in KEYS})
    broken = False
    for each in examine(config, Device(sys=config.sysfs)):
        broken = broken or each.level is Level.BROKEN
        print(f"{each.level:8} {each.what:13} {each.text}")
        if each.fix:
            print(f"{'':22} -> {each.fix}")
    return int(broken)


def _simulate(options: argparse.Namespace) -> int:
    import signal

    from agent.simulate.command import plan_of, run

    plan = plan_of(vars(options))
    ended: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _frame: ended.append(number))
    run(plan, lambda: not ended, print)
    return 0


def _check(options: argparse.Namespace) -> int:
    from agent.config import read_text
    from agent.describe import describe
    from agent.wire.profile import parse_profile

    for name, text in describe(parse_profile(read_text(options.profile), str(options.profile))):
        print(f"{name:22} {text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
