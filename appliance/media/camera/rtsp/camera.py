"""A camera as a ``Source``: the dialogue of RFC 2326, then pictures and sound as they come."""

import re
import ssl
import time
from collections.abc import Iterator

from appliance.base.model import Credentials
from appliance.media.camera.address import RtspAddress, rtsp_address
from appliance.media.camera.audio import AudioFormat, is_carried
from appliance.media.camera.certificate import Pinned, check
from appliance.media.camera.rtsp import sdp
from appliance.media.camera.rtsp.connection import Connection, Handlers
from appliance.media.camera.rtsp.message import Answer, BadAnswer
from appliance.media.camera.rtsp.pictures import Assembler
from appliance.media.camera.rtsp.proof import Proof
from appliance.media.camera.rtsp.reports import CameraClock
from appliance.media.camera.rtsp.sound import Unpacker, format_of
from appliance.media.camera.source import (
    MOST_EMPTY,
    NOTHING_SENT,
    OTHER_CODEC,
    READ_TIMEOUT_S,
    RawPacket,
    SourceFault,
    network_fault,
)
from appliance.media.fragment import TIMESCALE
from appliance.media.mp4 import h26x

_CODECS: dict[str, h26x.Codec] = {"h264": "h264", "h265": "hevc", "hevc": "hevc"}
_CHANNELS = re.compile(r"interleaved\s*=\s*(\d{1,3})", re.IGNORECASE)
_TIMEOUT = re.compile(r"timeout\s*=\s*(\d{1,5})", re.IGNORECASE)
_SILENT = "the camera does not answer"
GOODBYE_S = 0.2
_USUAL_TIMEOUT_S = 60  # RFC 2326, 12.37
_TRIES = 3  # of one request: digest after basic was refused, a nonce that went stale


class Dialogue:
    """Requests and their answers over one connection, with the proof of who asks."""

    def __init__(self, connection: Connection, credentials: Credentials | None, until: float) -> None:
        self._connection = connection
        self._proof = Proof(credentials) if credentials is not None else None
        self._until = until
        self.session = ""
        self.handlers: Handlers = {}

    def ask(self, method: str, url: str, headers: dict[str, str] | None = None) -> Answer:
        """Raises ``SourceFault`` where the camera refuses who asks, ``TimeoutError``, ``OSError``,
        ``EOFError`` and ``BadAnswer``."""
        for _ in range(_TRIES):
            left_s = self._until - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            cseq = self._connection.send(method, url, self._headers(method, url, headers), left_s)
            answer = self._connection.answer(cseq, self._until - time.monotonic(), self.handlers)
            if answer.status != 401:
                self._note(answer)
                return answer
            if self._proof is None or not self._proof.learn(answer.every("www-authenticate")):
                break
        raise SourceFault("auth_failed", "the camera refuses the user name or password")

    def tell(self, method: str, url: str, timeout_s: float) -> int:
        """A request whose answer nobody waits for; its CSeq."""
        return self._connection.send(method, url, self._headers(method, url, None), timeout_s)

    def heard(self, answer: Answer) -> bool:
        """An answer that nobody waited for: whether the request should be made again."""
        if not answer.status:
            self._connection.reply(answer)
        self._note(answer)
        return (
            answer.status == 401
            and self._proof is not None
            and self._proof.learn(answer.every("www-authenticate"))
        )

    def _note(self, answer: Answer) -> None:
        if answer.status == 200 and self._proof is not None:
            self._proof.accepted()

    def _headers(self, method: str, url: str, headers: dict[str, str] | None) -> dict[str, str]:
        out = dict(headers or {})
        if self.session:
            out["Session"] = self.session
        proof = self._proof.header(method, url) if self._proof is not None else None
        if proof is not None:
            out["Authorization"] = proof
        return out


class CameraSource:
    """A camera that plays. Made by ``open_camera``."""

    def __init__(self, connection: Connection, dialogue: Dialogue, url: str) -> None:
        self._connection = connection
        self._dialogue = dialogue
        self._url = url
        self._is_playing = False
        self._keep_alive = "OPTIONS"
        self._every_s = _USUAL_TIMEOUT_S / 2
        self._describe()
        self._sound = self._setup()
        self._play()

    def hurry(self) -> None:
        """A camera cannot be hurried."""

    def parameter_sets(self) -> list[bytes]:
        units = sdp.parameter_sets(self._video)
        return h26x.parameter_sets(self.codec, units)

    def packets(self) -> Iterator[RawPacket]:
        """Until the connection ends, which is always a ``SourceFault``."""
        hz, pictures, clock = self._video.clock_hz, self._assembler.done, self._clock
        sound = self._sound.done if self._sound is not None else []
        heard = asked = time.monotonic()
        try:
            while True:
                self._connection.parse(self._dialogue.handlers)
                while pictures:
                    data, stamp, is_key = pictures.pop(0)
                    heard = 0.0
                    yield RawPacket(True, data, stamp * TIMESCALE // hz, is_key, clock.camera_ns(stamp))
                while sound:
                    heard = 0.0
                    yield RawPacket(False, sound.pop(0), 0, True)
                if self._assembler.empty > MOST_EMPTY:
                    raise SourceFault("no_video", OTHER_CODEC)
                now = time.monotonic()
                heard = heard or now
                if now - heard > READ_TIMEOUT_S:
                    raise SourceFault("no_video", NOTHING_SENT)
                if self._connection.answers:
                    asked = self._hear(asked)
                if now - asked > self._every_s:
                    self._dialogue.tell(self._keep_alive, self._url, READ_TIMEOUT_S)
                    asked = now
                self._connection.read(READ_TIMEOUT_S)
        except TimeoutError:  # it answered, so it is not offline
            raise SourceFault("no_video", NOTHING_SENT) from None
        except (OSError, EOFError, BadAnswer) as error:
            raise fault_from(error, "the camera stopped sending") from None

    def close(self) -> None:
        """Free the camera's place, where it still listens: some have three."""
        try:
            if self._is_playing:
                cseq = self._dialogue.tell("TEARDOWN", self._url, GOODBYE_S)
                # Closed with media unread, the connection would be reset, and the goodbye lost with it.
                self._connection.answer(cseq, GOODBYE_S, {})
        except (OSError, EOFError, BadAnswer, ValueError):
            pass
        self._connection.close()

    def _hear(self, asked: float) -> float:
        answers = self._connection.answers
        while answers:
            answer = answers.pop(0)
            if self._dialogue.heard(answer):
                return 0.0
            if answer.status == 454:
                raise SourceFault("no_video", "the camera ended the session")
        return asked

    def _describe(self) -> None:
        public = self._dialogue.ask("OPTIONS", self._url).get("public") or ""
        if "GET_PARAMETER" in public:
            self._keep_alive = "GET_PARAMETER"
        answer = self._dialogue.ask("DESCRIBE", self._url, {"Accept": "application/sdp"})
        _refuse(answer)
        base = answer.get("content-base") or answer.get("content-location") or ""
        if not base.lower().startswith(("rtsp://", "rtsps://")):
            base = self._url
        session = sdp.parse(answer.body.decode("utf-8", "replace"), base)
        videos = [track for track in session.tracks if track.kind == "video"]
        if not videos:
            raise SourceFault("no_video", "the camera answers, but offers no video")
        known = [track for track in videos if track.encoding in _CODECS]
        if not known:
            name = videos[0].encoding or "an unknown codec"
            raise SourceFault("no_video", f"the camera sends {name}; set it to H.264 or H.265")
        self._video, self._url = known[0], session.url
        self.codec = _CODECS[self._video.encoding]
        self.fps = self._video.fps
        sounds = [track for track in session.tracks if track.kind == "audio"]
        carried = [track for track in sounds if is_carried(format_of(track))]
        self._sound_track = carried[0] if carried else None
        self.audio: AudioFormat | None = format_of((carried or sounds)[0]) if sounds else None

    def _setup(self) -> Unpacker | None:
        connection, handlers = self._connection, self._dialogue.handlers
        channel = self._setup_track(self._video.url, 0)
        self._assembler = Assembler(self.codec, self._video.payload_type, connection.buffer, connection.view)
        self._clock = CameraClock(connection.buffer, self._assembler.ticks, self._video.clock_hz)
        handlers[channel], handlers[channel + 1] = self._assembler.put, self._clock.put
        if self._sound_track is None:
            return None
        try:
            channel = self._setup_track(self._sound_track.url, channel + 2)
        except SourceFault:
            return None  # better silent than blind
        unpacker = Unpacker(self._sound_track, connection.buffer)
        handlers[channel] = unpacker.put
        return unpacker

    def _setup_track(self, url: str, channel: int) -> int:
        transport = f"RTP/AVP/TCP;unicast;interleaved={channel}-{channel + 1}"
        answer = self._dialogue.ask("SETUP", url, {"Transport": transport})
        _refuse(answer)
        session, _, rest = (answer.get("session") or "").partition(";")
        self._dialogue.session = session.strip() or self._dialogue.session
        said = _TIMEOUT.search(rest)
        if said and int(said[1]):
            self._every_s = min(_USUAL_TIMEOUT_S, int(said[1])) / 2
        given = _CHANNELS.search(answer.get("transport") or "")
        chosen = int(given[1]) if given else channel
        taken = self._dialogue.handlers  # some say 0-1 of every track, and send what they were asked for
        return channel if chosen > 254 or chosen in taken or chosen + 1 in taken else chosen

    def _play(self) -> None:
        answer = self._dialogue.ask("PLAY", self._url, {"Range": "npt=0.000-"})
        _refuse(answer)
        self._is_playing = True


def open_camera(
    url: str, credentials: Credentials | None, open_timeout_s: float, pinned: Pinned | None
) -> CameraSource:
    """Connect, ask and play; blocks up to ``open_timeout_s``. Raises ``SourceFault``."""
    until = time.monotonic() + open_timeout_s

    def check_peer(certificate: bytes) -> None:
        if pinned is not None:
            check(certificate, pinned)

    try:
        address = rtsp_address(url, credentials)
        peer = check_peer if address.is_secure else None
        connection = Connection.open(address.host, address.port, open_timeout_s, peer)
    except (OSError, ValueError) as error:
        if isinstance(error, PermissionError) and error.errno is None:  # the certificate, not the network
            raise SourceFault("auth_failed", str(error)) from None
        raise fault_from(error, _SILENT) from None
    try:
        return _begin(connection, address, until)
    except BaseException:  # whatever is wrong with the dialogue, the connection is ours to close
        connection.close()
        raise


def _begin(connection: Connection, address: RtspAddress, until: float) -> CameraSource:
    try:
        return CameraSource(connection, Dialogue(connection, address.credentials, until), address.url)
    except (OSError, EOFError, BadAnswer, ValueError) as error:
        raise fault_from(error, _SILENT) from None


def _refuse(answer: Answer) -> None:
    """Raises ``SourceFault`` unless the camera agrees."""
    status = answer.status
    if status == 200:
        return
    texts = {
        404: "the camera knows no such stream; check the path of the URL",
        453: "the camera has no room for another viewer; close others, or raise its limit",
        461: "the camera refuses RTSP over TCP; switch it on in the camera",
        503: "the camera has no room for another viewer; close others, or raise its limit",
    }
    if status == 403:
        raise SourceFault("auth_failed", "the camera refuses the user name or password")
    if 300 <= status < 400:  # followed, it could send the box and the password anywhere
        raise SourceFault("no_video", "the camera points to another address; enter that one instead")
    raise SourceFault("no_video", texts.get(status, f"the camera answers with RTSP error {status}"))


def fault_from(error: Exception, what: str) -> SourceFault:
    """Errors of the connection in our words."""
    if isinstance(error, ssl.SSLError):
        return SourceFault("camera_offline", f"{what}: it speaks no TLS; try rtsp://")
    if isinstance(error, BadAnswer):
        return SourceFault("camera_offline", f"{what}: what comes is not RTSP; check the port of the URL")
    if isinstance(error, ValueError):
        return SourceFault("camera_offline", "the URL has no host, or a port that is none")
    return network_fault(error, what)
