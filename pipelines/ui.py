"""Dagster's web interface and its daemon, for as long as a person wants them."""

import contextlib
import ipaddress
import os
import signal
import socket
import subprocess
import sys
from types import FrameType

from pipelines.settings import PROJECT_ROOT, SettingsError, prepare_process_environment

STOP_TIMEOUT_S = 30.0


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
    prepare_process_environment()
    command = [sys.executable, "-W", "ignore", "-m", "dagster", "dev", "-w", "workspace.yaml"]
    command += ["--host", host, "--port", str(port)]
    # Set before Dagster starts: a shell's background job ignores SIGINT, and what it starts inherits that.
    before = {number: signal.signal(number, _interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    # A session of its own: a ctrl-c in the terminal reaches Dagster once, from here, and not twice.
    process = subprocess.Popen(command, cwd=PROJECT_ROOT, start_new_session=True)
    try:
        print(f"Dagster starts at http://{host}:{port} (ctrl-c ends it)", file=sys.stderr)
        return process.wait()
    except KeyboardInterrupt:
        print("ending Dagster ...", file=sys.stderr)
        return 0
    finally:
        _end(process)
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the process to end, and end everything that is left of its session after a while."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            process.wait(STOP_TIMEOUT_S)
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
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
