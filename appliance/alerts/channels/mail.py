"""Mail over SMTP (RFC 5321), with STARTTLS (RFC 3207) or TLS from the start (RFC 8314).

The key is in ``Message-ID`` (RFC 5322, 3.6.4): servers and programs that meet it twice show one mail.
smtplib blocks: each mail has a thread of its own that no stop of the box waits for, and whose socket is
closed at the deadline.
"""

import asyncio
import re
import smtplib
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Annotated, Any, Literal

import msgspec

from appliance.alerts.channels import Given, faults
from appliance.alerts.channels.notice import Notice
from appliance.alerts.channels.options import Line, Pem, read, tls
from appliance.base.clock import SECOND_NS
from appliance.base.errors import ApplianceError, invalid

PEER = "the mail server"
MOST_RECIPIENTS = 50
_ADDRESS = re.compile(r"[^\s@<>,;:\"()\[\]\\]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_HOST = re.compile(r"(?!-)[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]{2,45}")


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``security``: starttls (587, 25), tls (465), or none, for a server on site that asks for no password.
    ``picture``: with the still, where one is kept within two seconds. ``ca``: PEM of the only authorities
    that the server is believed by; empty: the system's."""

    host: Annotated[Line, msgspec.Meta(min_length=1)]
    sender: Line = msgspec.field(name="from")
    to: Annotated[tuple[Line, ...], msgspec.Meta(min_length=1, max_length=MOST_RECIPIENTS)]
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: Line = ""
    picture: bool = True
    ca: Pem = ""


def check(options: Options, *, has_secret: bool) -> None:
    if _HOST.fullmatch(options.host) is None:
        raise invalid("this is no name of a server", "e.g. smtp.example.com", field="options.host")
    for field, address in (
        ("from", options.sender),
        *((f"to[{n}]", one) for n, one in enumerate(options.to)),
    ):
        if _ADDRESS.fullmatch(address) is None:
            hint = "e.g. guard@example.com"
            if not address.isascii():  # SMTPUTF8 (RFC 6531) is spoken by few servers, and seldom all the way
                hint = "letters a to z only: mail to other letters gets lost on the way; use another address"
            raise invalid(f"{address[:60]!r} is no mail address", hint, field=f"options.{field}")
    if options.username and options.security == "none":
        raise invalid(
            "the password could be read on the way", "choose starttls or tls", field="options.security"
        )
    if options.username and not has_secret:
        raise invalid("a user name needs its password", "enter it", field="secret")
    tls(options.ca)


def goes_to(options: Options) -> tuple[Any, ...]:
    return (options.host.lower(), options.port, options.security, options.ca)


def make(given: Given) -> "Mail":
    return Mail(given, read(given.channel.options, Options))


class Mail:
    """One connection per mail: they are few, and servers drop those that idle."""

    def __init__(self, given: Given, options: Options) -> None:
        self._given, self._options = given, options
        self._tls = tls(options.ca)
        self.wants_still = options.picture
        self._open: smtplib.SMTP | None = None

    async def send(self, notice: Notice, key: str) -> str:
        message = self.message(notice, key)
        try:
            async with asyncio.timeout(self._given.timeout_s):
                refused = await _in_thread(lambda: self._deliver(message))
        except TimeoutError as error:
            raise faults.of(error, PEER) from None
        finally:
            await self.close()
        taken = len(self._options.to) - len(refused)
        if refused:
            some = ", ".join(f"{faults.plain(address)}" for address in refused)
            return f"{PEER} took it for {taken} of {len(self._options.to)}; it refuses {some}"
        return f"{PEER} took it for {', '.join(self._options.to)}"

    def message(self, notice: Notice, key: str) -> EmailMessage:
        """The mail, as any program shows it: text, and the picture beside it."""
        message = EmailMessage()
        message["Subject"] = notice.subject
        message["From"] = self._options.sender
        message["To"] = ", ".join(self._options.to)
        message["Date"] = format_datetime(datetime.fromtimestamp(notice.created_ns // SECOND_NS, UTC))
        message["Message-ID"] = f"<{key}@{self._options.sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday notes, please
        if notice.severity == "critical":
            message["Importance"] = "high"
        message.set_content("\n".join([notice.title, "", *notice.lines, "", f"-- \n{notice.site}"]))
        if notice.still is not None and self._options.picture:
            message.add_attachment(notice.still, maintype="image", subtype="jpeg", filename="picture.jpg")
        return message

    def _deliver(self, message: EmailMessage) -> dict[str, Any]:
        """Blocks. Those whom the server refuses, where it took it for others."""
        options, timeout_s = self._options, self._given.timeout_s
        hello = f"box-{self._given.device_id[-12:]}.local"
        try:
            if options.security == "tls":
                smtp: smtplib.SMTP = smtplib.SMTP_SSL(
                    options.host, options.port, hello, timeout=timeout_s, context=self._tls
                )
            else:
                smtp = smtplib.SMTP(options.host, options.port, hello, timeout=timeout_s)
            self._open = smtp
            with smtp:
                if options.security == "starttls":
                    smtp.starttls(context=self._tls)
                if options.username:
                    smtp.login(options.username, self._given.secret or "")
                return smtp.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            code, said = next(iter(error.recipients.values()))
            raise faults.of_reply(code, said, PEER) from None
        except smtplib.SMTPResponseException as error:
            raise faults.of_reply(error.smtp_code, error.smtp_error, PEER) from None
        except smtplib.SMTPNotSupportedError as error:
            hint = "choose another security or port, as its provider says"
            raise ApplianceError(
                "invalid",
                f"{PEER} cannot do that: {faults.plain(str(error))}",
                hint,
                field="options.security",
            ) from None
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise faults.of(error, PEER) from None

    async def close(self) -> None:
        smtp, self._open = self._open, None
        sock = getattr(smtp, "sock", None)
        if isinstance(sock, socket.socket):
            try:
                sock.shutdown(socket.SHUT_RDWR)  # its thread ends with that, wherever it waits
            except OSError:
                pass  # it was closed already


async def _in_thread(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Not one of the loop's own threads: those are shared, and a stop waits for them."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[dict[str, Any]] = loop.create_future()

    def settle(value: dict[str, Any] | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(value or {})

    def run() -> None:
        try:
            found, error = work(), None
        except Exception as failure:  # whatever it is belongs to who waits, not to this thread
            found, error = None, failure
        try:
            loop.call_soon_threadsafe(settle, found, error)
        except RuntimeError:
            pass  # the loop is closed: nobody waits any more

    threading.Thread(target=run, name="mail", daemon=True).start()
    return await done
