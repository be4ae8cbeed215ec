import io
import json
import logging
import ssl
import threading
import warnings

import pytest

from appliance.base import log
from appliance.base.log import Line, Repeats, bind_camera, camera_bound, to_journal, to_plain


@pytest.fixture
def logged():
    """Everything logged inside the test, as parsed JSON lines after ``close``."""
    stream = io.StringIO()
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    hooks = threading.excepthook, log.sys.excepthook
    for handler in before:
        root.removeHandler(handler)
    handler = log.set_up("debug", "json", stream)

    def lines() -> list[dict]:
        handler.close()
        return [json.loads(line) for line in stream.getvalue().splitlines()]

    yield lines
    handler.close()
    root.removeHandler(handler)
    for old in before:
        root.addHandler(old)
    root.setLevel(level)
    logging.captureWarnings(False)
    threading.excepthook, log.sys.excepthook = hooks


def line(message: str, at_s: float = 0.0, camera: str | None = None) -> Line:
    record = logging.makeLogRecord(
        {"name": "appliance.media.record.stream", "levelname": "WARNING", "msg": message}
    )
    record.created = at_s
    if camera:
        record.camera = camera
    return Line(record)


def test_a_line_has_time_level_logger_message_and_camera(logged):
    with camera_bound("gate"):
        logging.getLogger("appliance.media").warning("lost %d", 3)
    logging.getLogger("appliance.web").info("up", extra={"camera": "yard"})
    logging.getLogger("appliance.web").info("none")
    first, second, third = logged()
    assert first["time"].endswith("Z")
    assert (first["level"], first["logger"], first["message"]) == ("warning", "appliance.media", "lost 3")
    assert (first["camera"], second["camera"]) == ("gate", "yard")
    assert "camera" not in third


def test_a_thread_names_its_camera_once(logged):
    def stream_thread() -> None:
        bind_camera("gate")
        logging.getLogger("a").info("from the thread")

    thread = threading.Thread(target=stream_thread)
    thread.start()
    thread.join()
    logging.getLogger("a").info("from outside")
    inside, outside = logged()
    assert inside["camera"] == "gate"
    assert "camera" not in outside


def test_exceptions_warnings_and_stray_threads_come_through_the_same_pipe(logged):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("password=abcdef is old", stacklevel=1)
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
    warned, stray = logged()
    assert "abcdef" not in warned["message"]
    assert "ZeroDivisionError" in stray["exception"]


def test_who_goes_away_in_the_middle_is_no_fault_and_everything_else_is(logged):
    server = logging.getLogger("aiohttp.server")
    for error in (ConnectionResetError("gone"), ssl.SSLError("gone"), ValueError("ours")):
        try:
            raise error
        except Exception:  # as the server does it
            server.exception("Unhandled exception")
    told = [line["exception"] for line in logged()]
    assert len(told) == 1 and "ValueError: ours" in told[0]


def test_wrong_arguments_do_not_cost_the_line(logged):
    record = logging.makeLogRecord({"name": "a", "levelname": "INFO", "msg": "%d of %d", "args": (1,)})
    next(each for each in logging.getLogger().handlers if isinstance(each, log.QueueHandler)).emit(record)
    assert "%d of %d" in logged()[0]["message"]


def test_repeats_are_written_once_and_summed_up():
    repeats = Repeats()
    assert [len(repeats.passed(line("no answer", at_s))) for at_s in range(50)] == [1] + [0] * 49
    later = repeats.passed(line("no answer", 61))
    assert [each.message for each in later] == ["no answer (again 49 times)", "no answer"]
    assert [each.message for each in repeats.due(float("inf"))] == []


def test_lines_of_two_cameras_are_two_lines():
    repeats = Repeats()
    assert repeats.passed(line("no answer", 0, "gate"))
    assert repeats.passed(line("no answer", 0, "yard"))


def test_a_clock_that_steps_back_does_not_silence_a_line_for_ever():
    repeats = Repeats()
    repeats.passed(line("no answer", 1_000_000))
    assert repeats.passed(line("no answer", 10))


def test_remembered_lines_are_bounded():
    repeats = Repeats()
    for number in range(3 * log.REPEAT_KEYS):
        assert repeats.passed(line(f"number {number}", 0))
    assert len(repeats._seen) == log.REPEAT_KEYS


def test_what_is_held_back_is_summed_up_at_the_end(logged):
    for _ in range(5):
        logging.getLogger("a").error("disk gone")
    messages = [each["message"] for each in logged()]
    assert messages == ["disk gone", "disk gone (again 4 times)"]


def test_a_camera_s_name_cannot_forge_a_line():
    for form in (to_plain, to_journal):
        assert "\n" not in form(line("camera 'x\n<2>forged' added"))


def test_the_journal_s_form_has_the_priority_on_each_line():
    record = logging.makeLogRecord({"name": "appliance.x", "levelname": "ERROR", "msg": "bad"})
    try:
        raise ValueError("why")
    except ValueError as error:
        record.exc_info = (type(error), error, error.__traceback__)
    text = to_journal(Line(record)).splitlines()
    assert len(text) > 2
    assert all(each.startswith("<3>") for each in text)


def test_a_reader_that_hangs_stops_nobody_and_what_was_lost_is_counted():
    class Hung(io.StringIO):
        def __init__(self):
            super().__init__()
            self.entered, self.let_go = threading.Event(), threading.Event()

        def write(self, text: str) -> int:
            self.entered.set()
            self.let_go.wait(60)
            return super().write(text)

    hung = Hung()
    handler = log.QueueHandler(hung, "json")
    record = logging.makeLogRecord({"name": "a", "levelname": "INFO", "msg": "x"})
    handler.emit(record)
    assert hung.entered.wait(60)
    for number in range(log.QUEUE_LINES + 50):
        handler.emit(logging.makeLogRecord({"name": "a", "levelname": "INFO", "msg": f"line {number}"}))
    hung.let_go.set()
    handler.close()
    assert "50 log lines were dropped" in hung.getvalue()
