"""What is wrong with a camera, in an installer's words. Pure: from what was read to what is said."""

from collections.abc import Mapping, Sequence

import msgspec

from appliance.onvif.device import CameraClock
from appliance.onvif.encoder import EncoderOptions
from appliance.onvif.streams import Profile

CLOCK_OFF_S = 5.0  # more than this and a clip shows another moment than the event
LONG_GOP_S = 2.1  # the GOP of 2 s that we set ourselves, and what rounding does to it
LOW_FPS = 5.0  # what analysis looks at
_OWN_PAGE = "set it in the camera's own page"
_BUTTON = "one press sets it right"


class Finding(msgspec.Struct, frozen=True):
    """``code``: h265_sub, h265_main, long_gop, clock_off, no_sub, wrong_password, locked, low_fps,
    mjpeg_only, no_ntp, no_streams, no_serial. ``mendable``: ``mend`` can set it right. ``profile``: token of
    the stream that it is about, empty where it is about the camera."""

    code: str
    text: str
    hint: str
    mendable: bool
    profile: str = ""


def of_password(tried: int, *, locked: bool) -> Finding:
    if locked:
        return Finding(
            "locked",
            "the camera has locked its user: too many wrong passwords",
            "wait 30 minutes or restart the camera, then type the right one",
            False,
        )
    text = "no password of yours opens this camera" if tried else "this camera wants a password"
    return Finding("wrong_password", text, "type the camera's own user name and password", False)


def of_clock(clock: CameraClock, *, may_set: bool) -> list[Finding]:
    """``may_set``: a password opened the camera; without one, who keeps its time can wait."""
    found = []
    skew_s = clock.skew_ns / 1e9
    if abs(skew_s) > CLOCK_OFF_S:
        found.append(Finding("clock_off", f"clock {in_words(skew_s)}", _BUTTON, may_set))
    if may_set and not clock.by_ntp:
        text = "asks no time server: its clock will drift"
        found.append(Finding("no_ntp", text, "let it follow this box's clock", may_set))
    return found


def in_words(skew_s: float) -> str:
    """``47 s off (behind)``, ``3 h off (ahead)``, ``56 years off (behind)``."""
    size = abs(skew_s)
    for unit_s, unit in ((365 * 86400, "years"), (86400, "days"), (3600, "h"), (60, "min"), (1, "s")):
        if size >= 2 * unit_s or unit_s == 1:
            return f"{size / unit_s:.0f} {unit} off ({'ahead' if skew_s > 0 else 'behind'})"
    raise AssertionError("a second is the least unit")


def of_streams(
    streams: Sequence[Profile], options: Mapping[str, Sequence[EncoderOptions]], channel: str = ""
) -> list[Finding]:
    """Of one picture's streams, main first. ``options``: by profile token, as far as they were read."""
    of = f"{channel}: " if channel else ""
    if not streams:
        return [Finding("no_streams", f"{of}no stream of it can be recorded", _OWN_PAGE, False)]
    found = []
    main, subs = streams[0], streams[1:2]
    if all(stream.codec in ("mjpeg", "mpeg4") for stream in streams):
        text = f"{of}only {main.codec.upper()}, which is not recorded"
        found.append(Finding("mjpeg_only", text, "set H.264 in the camera's own page", False, main.token))
    if main.codec == "h265":
        text = f"{of}main stream is H.265: it will not show in every browser"
        shown = any(sub.codec == "h264" for sub in subs)
        hint = "it is recorded all the same" + ("; the wall shows the sub stream" if shown else "")
        found.append(Finding("h265_main", text, hint, False, main.token))
    for sub in subs:
        if sub.codec == "h265":
            can = _can_h264(options.get(sub.token, ()))
            hint = _BUTTON if can else "this camera has no H.264: watch it in a browser that plays H.265"
            text = f"{of}sub stream is H.265: it will not show in this browser"
            found.append(Finding("h265_sub", text, hint, can, sub.token))
    if not subs:
        hint = "switch a second stream on in the camera's own page: the main one is analysed until then"
        found.append(Finding("no_sub", f"{of}has no sub stream", hint, False, main.token))
    for name, stream in zip(("main", "sub"), streams[:2], strict=False):
        found += _of_rates(f"{of}{name} stream", stream, options.get(stream.token, ()))
    return found


def _of_rates(name: str, stream: Profile, options: Sequence[EncoderOptions]) -> list[Finding]:
    found = []
    if stream.key_frame_interval_s > LONG_GOP_S:
        able = shorter_gop(stream, options) is not None
        text = f"{name}: key frame every {stream.key_frame_interval_s:.3g} s"
        found.append(Finding("long_gop", text, _BUTTON if able else _OWN_PAGE, able, stream.token))
    if 0 < stream.fps < LOW_FPS:
        text = f"{name}: only {stream.fps:.3g} pictures a second"
        hint = f"set {LOW_FPS:.0f} or more in the camera's own page"
        found.append(Finding("low_fps", text, hint, False, stream.token))
    return found


def shorter_gop(stream: Profile, options: Sequence[EncoderOptions], wanted_s: float = 1.5) -> int | None:
    """Frames of a GOP of 1 to 2 s that the camera can do; None where it cannot."""
    if stream.fps <= 0:
        return None
    wanted = max(1, round(stream.fps * wanted_s))
    ranges = [each.gop for each in options if each.codec == stream.codec and each.gop[1] > 0]
    for least, most in ranges:
        wanted = max(least, min(wanted, most))
    return wanted if wanted / stream.fps <= LONG_GOP_S else None


def _can_h264(options: Sequence[EncoderOptions]) -> bool:
    return any(each.codec == "h264" for each in options)
