"""Free ports, and the address by which other devices reach this machine."""

from __future__ import annotations

import errno
import http.client
import ipaddress
import random
import socket
from contextlib import closing, suppress

import psutil

from bandpics.local.diagnostics import CannotStart

# Below the range of outgoing connections, which might occupy the port of a stack that restarts.
FREE_PORTS = range(20_000, 32_000)
EVERYWHERE = {"0.0.0.0", "::"}  # noqa: S104 - only compared with
LOOPBACK = "127.0.0.1"


def check_web_port(host: str, port: int) -> None:
    """Raises CannotStart if the web server could not listen there."""
    try:
        _bind(host, port)
    except socket.gaierror:
        raise CannotStart(
            f"Cannot listen on {host}", "no such address", 'Try ARGS="--host 127.0.0.1"'
        ) from None
    except OverflowError:
        raise CannotStart(
            f"Port {port} is no port", "ports end at 65535", 'Try ARGS="--port 8000"'
        ) from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CannotStart(
                f"Port {port} is taken",
                "another program listens there",
                f'Stop it, or try ARGS="--port {port + 1}"',
            ) from None
        if error.errno == errno.EACCES:
            raise CannotStart(
                f"Port {port} is not allowed",
                "ports below 1024 belong to the system",
                'Try ARGS="--port 8000"',
            ) from None
        raise CannotStart(
            f"Cannot listen on {host}",
            error.strerror or str(error),
            'Use an address of this machine, or ARGS="--host 0.0.0.0" for all of them',
        ) from None


def free_port(host: str, *, preferred: int | None = None) -> int:
    """Returns the preferred port if it is free, or else any free one."""
    # Not `random` itself: tests seed it, and processes that start at once would draw the same port.
    candidates = random.SystemRandom().sample(FREE_PORTS, k=200)
    for port in [preferred, *candidates] if preferred else candidates:
        try:
            _bind(host, port)
        except OSError:
            continue
        return port
    raise CannotStart("No free port", "200 were tried", "Close some programs and try again")


def public_host(host: str) -> str:
    """Returns the host for links to a server that listens on `host`."""
    return lan_address() if host in EVERYWHERE else host


def connect_host(host: str) -> str:
    """Returns the host by which this machine reaches a server that listens on `host`."""
    return {"0.0.0.0": LOOPBACK, "::": "::1"}.get(host, host)  # noqa: S104 - only compared with


def http_status(host: str, port: int, path: str) -> int | None:
    """Returns the status of a server that listens on `host`; None if it does not answer."""
    connection = http.client.HTTPConnection(connect_host(host), port, timeout=5)
    with suppress(OSError, http.client.HTTPException), closing(connection):
        connection.request("GET", path, headers={"Host": "localhost"})
        return connection.getresponse().status
    return None


def url_host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def lan_address() -> str:
    """Returns this machine's address in the local network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Connecting UDP sends nothing; the kernel chooses the address it would use.
            probe.connect(("192.0.2.1", 9))
            address = str(probe.getsockname()[0])
        except OSError:
            address = LOOPBACK
    return address if address != LOOPBACK else _any_interface()


def _any_interface() -> str:
    found = [
        entry.address
        for entries in psutil.net_if_addrs().values()
        for entry in entries
        if entry.family == socket.AF_INET and not ipaddress.ip_address(entry.address).is_loopback
    ]
    if not found:
        raise CannotStart(
            "No network",
            "this machine has no address another device could reach",
            "Join a network, or leave out --host to stay on this machine",
        )
    return str(min(found, key=lambda address: not ipaddress.ip_address(address).is_private))


def _bind(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do: a port in TIME_WAIT counts as free, one with a listener does not.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
