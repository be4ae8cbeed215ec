"""Logs: one line per fact, JSON or the journal's form, with the camera in it and no credentials.

A stream thread must never wait for a slow terminal or a hung journal (R9), so lines go through a
bounded queue to a thread of their own; what does not fit is counted and the count is logged.
The same line again and again is written once, then summarised.
"""

import contextlib
import contextvars
import json
import logging
import os
import queue
import ssl
import sys
import threading
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Literal, TextIO

from appliance.base.clock import SECOND_NS, rfc3339
from appliance.base.redaction import redact

Style = Literal["json", "journal", "plain"]

QUEUE_LINES = 10_000
MESSAGE_CHARS = 4_000  # a stranger's answer may be megabytes, and redacting holds the GIL
REPEAT_S = 60.0  # the same line is written once in this time
REPEAT_KEYS = 1_000  # lines remembered; more would be a leak
_PRIORITY = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}  # sd-daemon(3)

_camera: contextvars.ContextVar[str | None] = contextvars.ContextVar("camera", default=None)


def bind_camera(camera_id: str | None) -> None:
    """Name the camera in every line of this thread or task from here on."""
    _camera.set(camera_id)


@contextlib.contextmanager
def camera_bound(camera_id: str) -> Iterator[None]:
    """Name the camera in the lines of this block."""
    token = _camera.set(camera_id)
    try:
        yield
    finally:
        _camera.reset(token)


class Line:
    """A record as it will be written: text only, nothing that keeps frames alive."""

    __slots__ = ("camera", "exception", "level", "logger", "message", "time_s")

    def __init__(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except (TypeError, ValueError):  # a wrong number of arguments must not cost the line
            message = f"{record.msg} {record.args}"
        self.time_s = record.created
        self.level = record.levelname
        self.logger = record.name
        self.camera: str | None = getattr(record, "camera", None) or _camera.get()
        self.message = redact(message[:MESSAGE_CHARS])
        self.exception = ""
        if record.exc_info and record.exc_info[0] is not None:
            self.exception = redact("".join(traceback.format_exception(*record.exc_info))).rstrip()

    @property
    def key(self) -> tuple[str, str, str | None, str]:
        return self.level, self.logger, self.camera, self.message

    def again(self, times: int) -> "Line":
        """The summary of ``times`` suppressed copies."""
        line = Line(logging.LogRecord(self.logger, 0, "", 0, "%s", (self.message,), None))
        line.time_s, line.level, line.camera = self.time_s, self.level, self.camera
        line.message = f"{self.message} (again {times} times)"
        return line


def to_json(line: Line) -> str:
    stamp = rfc3339(round(line.time_s * SECOND_NS))
    fields: dict[str, Any] = {"time": stamp, "level": line.level.lower(), "logger": line.logger}
    if line.camera:
        fields["camera"] = line.camera
    fields["message"] = line.message
    if line.exception:
        fields["exception"] = line.exception
    return json.dumps(fields, ensure_ascii=False)


def to_journal(line: Line) -> str:
    """``<priority>`` before each line, as sd-daemon(3) has it; the journal adds the time."""
    mark = f"<{_PRIORITY.get(line.level, 6)}>"
    return "\n".join(mark + text for text in _text(line))


def to_plain(line: Line) -> str:
    stamp = rfc3339(round(line.time_s * SECOND_NS))
    return "\n".join([f"{stamp} {line.level:7s} {_text(line)[0]}", *_text(line)[1:]])


def _text(line: Line) -> list[str]:
    camera = f"[{line.camera}] " if line.camera else ""
    # A camera's name or an error text must not be able to forge a line.
    message = line.message.replace("\r", "\\r").replace("\n", "\\n")
    head = f"{line.logger.removeprefix('appliance.')}: {camera}{message}"
    return [head, *(f"    {text}" for text in line.exception.splitlines())]


_FORMS = {"json": to_json, "journal": to_journal, "plain": to_plain}


class Repeats:
    """Lets a line through once per ``REPEAT_S`` and counts the rest."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str, str | None, str], tuple[float, int, Line]] = {}

    def passed(self, line: Line) -> list[Line]:
        """What is to be written now: summaries that are due, and ``line`` if it is new."""
        due = self.due(line.time_s)
        if line.key in self._seen:
            began_s, count, first = self._seen[line.key]
            self._seen[line.key] = (began_s, count + 1, first)
            return due
        if len(self._seen) < REPEAT_KEYS:
            self._seen[line.key] = (line.time_s, 0, line)
        return [*due, line]

    def due(self, now_s: float) -> list[Line]:
        """Summaries of what was held back longer than ``REPEAT_S`` ago. ``inf``: all."""
        over = [key for key, (began_s, _, _) in self._seen.items() if not 0 <= now_s - began_s < REPEAT_S]
        found = []
        for key in over:
            _, count, line = self._seen.pop(key)
            if count:
                found.append(line.again(count))
        return found


class QueueHandler(logging.Handler):
    """Takes records from any thread without waiting; one thread writes them."""

    def __init__(self, stream: TextIO, style: Style) -> None:
        super().__init__()
        self._stream = stream
        self._form = _FORMS[style]
        self._lines: queue.Queue[Line | None] = queue.Queue(QUEUE_LINES)
        self._repeats = Repeats()
        self._dropped = 0
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._lines.put_nowait(Line(record))
        except queue.Full:
            self._dropped += 1
        except Exception:  # a line that cannot be made must not stop who wrote it
            self._dropped += 1

    def close(self) -> None:
        """Write what was taken, for at most 2 s."""
        if self._thread.is_alive():
            try:
                self._lines.put(None, timeout=1)
            except queue.Full:
                pass
            self._thread.join(2)
        super().close()

    def _run(self) -> None:
        while (line := self._lines.get()) is not None:
            self._write(self._repeats.passed(line))
        self._write(self._repeats.due(float("inf")))

    def _write(self, lines: list[Line]) -> None:
        if self._dropped:
            lines = [*lines, _note(f"{self._dropped} log lines were dropped: the log's reader is too slow")]
            self._dropped = 0
        try:
            for line in lines:
                self._stream.write(self._form(line) + "\n")
            if lines:
                self._stream.flush()
        except (OSError, ValueError):
            pass  # the terminal is gone; the box goes on


def _note(text: str) -> Line:
    return Line(logging.makeLogRecord({"name": __name__, "levelname": "WARNING", "msg": text}))


def set_up(level: str, style: Style | None = None, stream: TextIO | None = None) -> QueueHandler:
    """Send every log, warning and stray exception of this process through one handler.

    ``style`` None: the journal's where systemd reads ``stderr``, plain on a terminal, else JSON.
    Close the returned handler at the end (``logging.shutdown`` does).
    """
    stream = stream or sys.stderr
    handler = QueueHandler(stream, style or _style_for(stream))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(level.upper())
    for chatty in ("libav", "asyncio", "apscheduler", "aiohttp.access"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
    # Who goes away in the middle of an answer is no fault of ours: a telephone does it all the time.
    logging.getLogger("aiohttp.server").addFilter(_is_no_goodbye)
    logging.captureWarnings(True)
    sys.excepthook = _stray
    threading.excepthook = lambda stray: _stray(
        stray.exc_type, stray.exc_value or stray.exc_type(), stray.exc_traceback
    )
    return handler


def _is_no_goodbye(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, ConnectionError | ssl.SSLError)


def _stray(kind: type[BaseException], error: BaseException, frames: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt | SystemExit):
        logging.getLogger("appliance").critical("not expected", exc_info=(kind, error, frames))


def _style_for(stream: TextIO) -> Style:
    try:
        place = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return "json"
    if os.environ.get("JOURNAL_STREAM") == f"{place.st_dev}:{place.st_ino}":
        return "journal"
    return "plain" if stream.isatty() else "json"
