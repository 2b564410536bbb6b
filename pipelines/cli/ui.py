"""Dagster's web interface and its daemon, for as long as a person wants them."""

import contextlib
import ipaddress
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from pipelines.cli.options import Part
from pipelines.settings import PROJECT_ROOT, SettingsError, load_settings, prepare_process_environment

STOP_TIMEOUT_S = 30.0


def become(part: Part, host: str, port: int) -> NoReturn:
    """Turn this process into one of Dagster's two programs, with the home and the environment of this project.

    Raises:
        SettingsError: the address cannot be listened on.
    """
    prepare_process_environment(load_settings().warehouse_dir)
    program = str(Path(sys.executable).with_name(f"dagster-{part}"))
    arguments = ["run", "-w", "workspace.yaml"]
    if part is Part.WEBSERVER:
        _require_free(host, port)
        arguments = ["-h", host, "-p", str(port), "-w", "workspace.yaml"]
    os.chdir(PROJECT_ROOT)
    os.execv(program, [program, *arguments])


def serve(host: str, port: int) -> int:
    """Run both until ctrl-c or a request to end; whatever they started ends with them.

    Returns:
        The exit code: 0 when it was asked to end, else Dagster's own.

    Raises:
        SettingsError: the address cannot be listened on.
    """
    _require_free(host, port)
    if not _is_loopback(host):
        print(f"warning: {host} is reachable from outside, and the interface has no login", file=sys.stderr)
    home = prepare_process_environment(load_settings().warehouse_dir)
    command = [sys.executable, "-W", "ignore", "-m", "dagster", "dev", "-w", "workspace.yaml"]
    command += ["--host", host, "--port", str(port)]
    # The handlers only take note: an exception between two lines could leave Dagster running. They are set before
    # it starts, for a shell's background job ignores SIGINT, and what it starts would inherit that.
    asked: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: asked.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        # A session of its own: a ctrl-c in the terminal reaches Dagster once, from here, and not twice.
        process = subprocess.Popen(command, cwd=PROJECT_ROOT, start_new_session=True)
        try:
            print(f"Dagster starts at http://{host}:{port} (ctrl-c ends it); its runs lie in {home}", file=sys.stderr)
            _wait(process, lambda: bool(asked))
            if asked:
                print("ending Dagster ... (ctrl-c once more: at once)", file=sys.stderr)
                process.send_signal(signal.SIGINT)
                give_up = time.monotonic() + STOP_TIMEOUT_S
                _wait(process, lambda: len(asked) > 1 or time.monotonic() > give_up)
        finally:
            _kill_rest(process)
        return 0 if asked else process.returncode
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait(process: subprocess.Popen[bytes], is_enough: Callable[[], bool]) -> None:
    while process.poll() is None and not is_enough():
        time.sleep(0.2)


def _kill_rest(process: subprocess.Popen[bytes]) -> None:
    """End what is left of the process's session; most often nothing is."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _require_free(host: str, port: int) -> None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise SettingsError(
            f"{host}:{port} cannot be listened on ({error.strerror}); try: rotation ui --port {port + 1}"
        ) from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
