"""Real servers on loopback that take alerts: HTTP, and SMTP with STARTTLS, TLS and a log-in."""

import asyncio
import base64
import json
import ssl
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import Message
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any


@dataclass
class HttpReceiver:
    """What an HTTP server was sent.

    Attributes:
        url: Its address.
        answers: Statuses of the next answers; 200 when there is none left. None: it answers only when it is closed.
        posts: Path and JSON of every request, the refused ones too.
        taken: JSON of those that were answered with 200.
    """

    url: str = ""
    answers: deque[int | None] = field(default_factory=deque)
    posts: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    taken: list[dict[str, Any]] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [body for _, body in self.posts]

    @property
    def titles(self) -> list[str]:
        """Of the events of a generic webhook's requests."""
        return [event["title"] for body in self.bodies for event in body["events"]]


@contextmanager
def http_receiver() -> Iterator[HttpReceiver]:
    """An HTTP server for the length of the block."""
    received = HttpReceiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.posts.append((self.path, json.loads(body)))
            status = received.answers.popleft() if received.answers else 200
            if status is None:
                received.closing.wait(20)
                return
            self.send_response(status)
            if status == 302:
                self.send_header("Location", f"{received.url}/elsewhere")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")
            if status == 200:
                received.taken.append(json.loads(body))

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        received.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield received
        finally:
            received.closing.set()
            server.shutdown()
            thread.join()


@dataclass
class SmtpReceiver:
    """What a mail server was sent.

    Attributes:
        answers: Command to its next answers, in place of what the server would say.
        mails: Every mail that was taken, with the recipients.
        logins: User, password, and whether the connection was encrypted.
        commands: Every command word, in order.
    """

    tls: ssl.SSLContext
    security: str
    port: int = 0
    answers: dict[str, deque[str]] = field(default_factory=dict)
    mails: list[tuple[list[str], Message]] = field(default_factory=list)
    logins: list[tuple[str, str, bool]] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        is_encrypted, recipients = self.security == "ssl", []
        writer.write(b"220 local ESMTP\r\n")
        while line := await reader.readline():
            word, _, rest = line.decode().strip().partition(" ")
            word = word.upper()
            self.commands.append(word)
            own = self.answers.get(word)
            if own:
                writer.write(f"{own.popleft()}\r\n".encode())
            elif word == "EHLO":
                offered = ["local", "AUTH PLAIN", *(["STARTTLS"] if self.security == "starttls" else [])]
                lines = [f"250{' ' if name is offered[-1] else '-'}{name}\r\n" for name in offered]
                writer.write("".join(lines).encode())
            elif word == "STARTTLS":
                writer.write(b"220 go on\r\n")
                await writer.drain()
                await writer.start_tls(self.tls)
                is_encrypted = True
            elif word == "AUTH":
                _, user, password = base64.b64decode(rest.split()[1]).decode().split("\0")
                self.logins.append((user, password, is_encrypted))
                writer.write(b"235 welcome\r\n")
            elif word == "RCPT":
                recipients.append(rest.removeprefix("TO:").split()[0].strip("<>"))
                writer.write(b"250 ok\r\n")
            elif word == "DATA":
                writer.write(b"354 go on\r\n")
                body = await reader.readuntil(b"\r\n.\r\n")
                self.mails.append((recipients, message_from_bytes(body.removesuffix(b".\r\n"), policy=default)))
                writer.write(b"250 taken\r\n")
            else:
                writer.write(b"221 bye\r\n" if word == "QUIT" else b"250 ok\r\n")
            await writer.drain()
            if word == "QUIT":
                break
        writer.close()


@contextmanager
def smtp_receiver(certificate: Path, security: str) -> Iterator[SmtpReceiver]:
    """A mail server for the length of the block.

    Args:
        certificate: File with key and certificate.
        security: `none`, `starttls` or `ssl`.
    """
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    received = SmtpReceiver(tls, security)
    loop, is_ready = asyncio.new_event_loop(), threading.Event()
    stopping = asyncio.Event()

    async def serve() -> None:
        server = await asyncio.start_server(received.talk, "127.0.0.1", 0, ssl=tls if security == "ssl" else None)
        received.port = server.sockets[0].getsockname()[1]
        is_ready.set()
        async with server:
            await stopping.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    is_ready.wait(10)
    try:
        yield received
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join()
        loop.close()


def write_certificate(folder: Path) -> Path:
    """A self-signed certificate of 127.0.0.1 with its key, in one file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path
