"""A camera without a network: real encoders, the recorder's own fragmenter, real files."""

import hashlib
import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy
import pytest

from appliance.base.clock import SECOND_NS, ManualClock
from appliance.base.ids import uuid7
from appliance.base.model import Camera, Gap
from appliance.media.camera.audio import AudioTrack
from appliance.media.camera.libav import format_of
from appliance.media.mp4 import boxes, h26x
from appliance.media.mp4.fragmenter import Fragmenter, Timeline
from appliance.media.play.archive import Archive
from appliance.media.record.recording import Recording, RunInfo
from appliance.media.ring.index import Index
from appliance.media.ring.ledger import StreamLedger
from appliance.media.ring.volumes import Volumes, open_volumes
from appliance.store import cameras, settings
from appliance.store.database import Database

FPS = 15
TICKS = 90_000 // FPS


@dataclass(repr=False)
class Film:
    """Encoded frames: (length-prefixed sample, raw 90 kHz stamp, key frame), in decode order;
    ``md5s`` of the decoded frames, in the order they are shown."""

    codec: h26x.Codec
    sets: list[bytes]
    parameters: h26x.Parameters
    samples: list[tuple[bytes, int, bool]]
    md5s: list[str]


def make_film(
    codec: h26x.Codec = "h264",
    frames: int = 60,
    gop: int = 15,
    b_frames: int = 0,
    size: tuple[int, int] = (128, 96),
    seed: int = 0,
) -> Film:
    encoder = av.CodecContext.create("libx264" if codec == "h264" else "libx265", "w")
    encoder.width, encoder.height = size
    encoder.pix_fmt = "yuv420p"
    encoder.time_base = Fraction(1, 90_000)
    encoder.framerate = FPS
    encoder.gop_size = gop
    encoder.max_b_frames = b_frames
    if codec == "h264":
        encoder.options = {
            "preset": "ultrafast",
            "x264-params": f"bframes={b_frames}:scenecut=0:keyint={gop}",
        }
    else:
        text = f"bframes={b_frames}:scenecut=0:keyint={gop}:open-gop=0:pools=1:frame-threads=1:log-level=none"
        encoder.options = {"preset": "ultrafast", "x265-params": text + ":repeat-headers=1"}
    random = numpy.random.default_rng(seed)
    base = random.integers(0, 200, (size[1], size[0], 3), dtype=numpy.uint8)
    packets = []
    for number in range(frames):
        picture = numpy.roll(base, number * 3, axis=1).copy()
        picture[:16, :16] = number * 4 % 250
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts = number * TICKS
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    samples, sets = [], []
    for packet in packets:
        data = h26x.to_length_prefixed(bytearray(bytes(packet)))
        if packet.is_keyframe and not sets:
            sets = h26x.parameter_sets(codec, h26x.split_length_prefixed(data))
        samples.append((bytes(data), int(packet.pts), bool(packet.is_keyframe)))
    return Film(codec, sets, h26x.parse(codec, sets), samples, _md5s(codec, [bytes(p) for p in packets]))


def _md5s(codec: str, packets: list[bytes]) -> list[str]:
    decoder = av.CodecContext.create(codec, "r")
    frames = [f for data in packets for f in decoder.decode(av.Packet(data))] + decoder.decode(None)
    return [_md5(frame) for frame in frames]


def _md5(frame: "av.VideoFrame") -> str:
    return hashlib.md5(frame.to_ndarray(format="yuv420p").tobytes()).hexdigest()


def decoded(path: Path) -> list[tuple[float, str]]:
    """(seconds, md5) of every frame that ffmpeg shows; it must have nothing to complain about."""
    run = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(path), "-map", "0:v", "-fps_mode", "passthrough",
         "-enc_time_base", "1:90000", "-f", "framemd5", "-"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.stderr == ""
    assert run.returncode == 0
    rows = [line.split(",") for line in run.stdout.splitlines() if not line.startswith("#")]
    return [(int(row[2]) / 90_000, row[5].strip()) for row in rows]


@dataclass
class Sound:
    """A G.711 or AAC track to feed beside the film."""

    track: AudioTrack
    packets: list[tuple[bytes, int]]  # data, 90 kHz stamp


class Gaps:
    """The recorder's view of the open gap."""

    def __init__(self) -> None:
        self.ledgers: dict[tuple[str, str], StreamLedger] = {}

    def gap(self, camera_id: str, stream: str) -> Gap | None:
        ledger = self.ledgers.get((camera_id, stream))
        return ledger.gap if ledger else None

    def unsaved_gaps(self, camera_id: str, stream: str) -> list[Gap]:
        ledger = self.ledgers.get((camera_id, stream))
        return ledger.unsaved() if ledger else []


@dataclass
class Box:
    """Databases, one volume, an archive, and the recording side up to packets."""

    folder: Path
    clock: ManualClock
    db: Database
    archive_db: Database
    volumes: Volumes
    index: Index
    gaps: Gaps
    archive: Archive
    recordings: dict[tuple[str, str], Recording] = field(default_factory=dict)
    segment_s: float = 2.0
    offer: Callable[..., bool] | None = None

    def add_camera(self, camera_id: str = "gate", sub_url: str | None = None) -> Camera:
        camera = Camera(camera_id, camera_id, "rtsp://127.0.0.1/x", sub_url, created_ns=self.clock.now_ns())
        self.db.write_now(lambda conn: cameras.insert(conn, camera, None))
        return camera

    def recording(self, camera_id: str = "gate", stream: str = "main") -> Recording:
        key = (camera_id, stream)
        if key not in self.recordings:
            now_ns = self.clock.now_ns()
            ledger = StreamLedger(
                self.offer or self.db.offer, "boot", Gap(camera_id, stream, now_ns, None, "no_video")
            )
            self.gaps.ledgers[key] = ledger
            self.recordings[key] = Recording(
                camera_id, stream, "boot", self.clock, self.volumes.pick, self.index, ledger, self.segment_s
            )
        return self.recordings[key]

    def play(
        self,
        film: Film,
        *,
        stream: str = "main",
        start: int = 0,
        frames: int | None = None,
        end: str | None = "no_video",
        sound: Sound | None = None,
    ) -> Timeline:
        """Record frames as they would arrive, one run; ``end`` None leaves the segment open."""
        recording = self.recording("gate", stream)
        chosen = film.samples[start : None if frames is None else start + frames]
        first = chosen[0][1]
        timeline = Timeline(first, self.clock.now_ns(), recording.end_ns)
        fragmenter = Fragmenter(film.parameters.reorder, TICKS)
        audio = sound.track if sound else None
        init = boxes.init_segment(film.parameters, audio.parameters if audio else None)
        recording.begin(RunInfo(uuid7(self.clock.now_ns()), film.parameters, init, timeline))
        waiting = list(sound.packets) if sound else []
        began_ns = self.clock.now_ns()
        for number, (data, raw, is_key) in enumerate(chosen):
            self.clock.tick((began_ns + number * SECOND_NS // FPS - self.clock.now_ns()) / SECOND_NS)
            while waiting and waiting[0][1] <= number * TICKS:
                packet, _ = waiting.pop(0)
                now_ns = self.clock.now_ns()
                made = (
                    audio.put(packet, (now_ns - timeline.anchor_ns) * 9 // 100_000, now_ns) if audio else None
                )
                if made is not None:
                    recording.put(made, 0)
            pts = timeline.place(raw, self.clock.now_ns())
            recording.put(fragmenter.video(data, pts, timeline.wall_ns(pts), is_key), fragmenter.duration_90k)
        self.clock.tick(1 / FPS)
        if end is not None:
            recording.end(end)
        return timeline

    def settle(self) -> None:
        """Wait until every closed segment is durable and in the index."""
        for volume in self.volumes.all:
            volume.stop()
        self.archive_db.write_now(lambda conn: None)
        self.db.write_now(lambda conn: None)

    async def save(self, path: Path, start_ns: int, end_ns: int, stream: str = "main"):
        clip = await self.archive.clip("gate", stream, start_ns, end_ns)
        with path.open("wb") as out:
            async for piece in clip.read():
                out.write(piece)
        assert path.stat().st_size == clip.size_bytes
        return clip


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    clock = ManualClock()
    db = Database.open(tmp_path / "appliance.db", "appliance", synchronous="FULL")
    archive_db = Database.open(tmp_path / "archive.db", "archive", synchronous="NORMAL")
    device = db.write_now(lambda conn: settings.ensure_device_id(conn, clock.now_ns()))
    index = Index(archive_db)
    volumes = open_volumes([tmp_path / "recordings"], db, device, clock, 0.05, index.closed, index.dropped)
    volumes.start()
    gaps = Gaps()
    archive = Archive(db, archive_db, volumes, index, clock, gaps)
    yield Box(tmp_path, clock, db, archive_db, volumes, index, gaps, archive)
    archive.close()
    for volume in volumes.all:
        volume.stop()
    db.close()
    archive_db.close()


@pytest.fixture(scope="session")
def film() -> Film:
    """8 s of H.264, a key frame a second, no B-frames."""
    return make_film(frames=8 * FPS)


@pytest.fixture(scope="session")
def film_b() -> Film:
    """The same with B-frames."""
    return make_film(frames=8 * FPS, b_frames=2, seed=1)


@pytest.fixture(scope="session")
def film_hevc() -> Film:
    return make_film("hevc", frames=4 * FPS, b_frames=2, seed=2)


@pytest.fixture(scope="session")
def film_other() -> Film:
    """Other parameters."""
    return make_film(frames=4 * FPS, size=(160, 112), seed=3)


@pytest.fixture(name="decoded")
def _decoded():
    return decoded


def make_sound(folder: Path, codec: str, seconds: int = 8) -> Sound:
    """A tone, as a camera would send it: G.711 in 20 ms packets, AAC frame by frame."""
    rate = 16_000 if codec == "aac" else 8_000
    path = folder / ("tone.mp4" if codec == "aac" else "tone.wav")
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=rate, layout="mono")
        times = numpy.arange(seconds * rate) / rate
        wave = (numpy.sin(times * 2 * numpy.pi * 440) * 12_000).astype(numpy.int16)
        frame = av.AudioFrame.from_ndarray(wave[None, :], format="s16", layout="mono")
        frame.sample_rate = rate
        resampler = av.AudioResampler(format=stream.format.name, layout="mono", rate=rate, frame_size=0)
        for converted in resampler.resample(frame):
            fifo = av.AudioFifo()
            fifo.write(converted)
            while (block := fifo.read(1024, partial=True)) is not None:
                out.mux(stream.encode(block))
        out.mux(stream.encode(None))
    packets = []
    with av.open(str(path)) as source:
        track = AudioTrack(format_of(source.streams.audio[0]))
        for packet in source.demux(audio=0):
            data, stamp = bytes(packet), packet.pts
            if not data or stamp is None:
                continue
            step = len(data) if codec == "aac" else 160
            for at in range(0, len(data), step):
                seconds_in = float(stamp * packet.time_base) + at / rate
                packets.append((data[at : at + step], max(0, round(seconds_in * 90_000))))
    return Sound(track, packets)


@pytest.fixture(scope="session")
def aac(tmp_path_factory: pytest.TempPathFactory) -> tuple[boxes.AudioParameters, list[bytes]]:
    made = make_sound(tmp_path_factory.mktemp("tone"), "aac")
    return made.track.parameters, [data for data, _ in made.packets]


@pytest.fixture(params=["aac", "pcm_mulaw"])
def sound(request: pytest.FixtureRequest, tmp_path: Path) -> Sound:
    return make_sound(tmp_path, request.param)


@pytest.fixture
def long_box(box: Box) -> tuple[Box, int, int]:
    """An hour of 15 frames a second in 60 files; the pictures are not decodable."""
    box.add_camera()
    box.segment_s = 60.0
    film = make_film(frames=15)
    key, rest = film.samples[0][0], (97).to_bytes(4, "big") + bytes([0x41]) * 97
    samples = [(key if n % 15 == 0 else rest, n * TICKS, n % 15 == 0) for n in range(3600 * FPS)]
    start_ns = box.clock.now_ns()
    box.play(Film("h264", film.sets, film.parameters, samples, []))
    box.settle()
    return box, start_ns, box.clock.now_ns()


def film_file(folder: Path, film: Film) -> Path:
    """The film as a plain fragmented MP4, by our own fragmenter."""
    fragmenter = Fragmenter(film.parameters.reorder, TICKS)
    path = folder / "film.mp4"
    with path.open("wb") as out:
        out.write(boxes.init_segment(film.parameters))
        for data, raw, is_key in film.samples:
            fragment = fragmenter.video(data, raw + 90_000, 0, is_key)
            out.write(fragment.head + fragment.body)
    return path


GST_CAMERA = Path(__file__).parents[1] / "foreign" / "gst_camera.py"


@pytest.fixture
def gst_camera(has_gst: None, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """``gst_camera(film, "--user", "u", ...)`` starts a foreign camera and gives host:port."""
    children: list[subprocess.Popen[str]] = []

    def start(film: Film, *options: str) -> str:
        codec = "h264" if film.codec == "h264" else "h265"
        command = [
            "/usr/bin/python3",
            str(GST_CAMERA),
            str(film_file(tmp_path, film)),
            "--codec",
            codec,
            *options,
        ]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        children.append(child)
        assert child.stdout is not None
        return f"127.0.0.1:{json.loads(child.stdout.readline())['port']}"

    yield start
    for child in children:
        child.kill()
        child.wait()
        child.stdout.close()


@pytest.fixture
def write_film() -> Callable[[Path, Film], Path]:
    return film_file


@pytest.fixture
def make() -> Callable[..., Film]:
    return make_film


@pytest.fixture
def tone_file(tmp_path: Path, film: Film) -> Path:
    """A film with AAC, muxed by ffmpeg."""
    make_sound(tmp_path, "aac")
    out = tmp_path / "both.mp4"
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-i",
        film_file(tmp_path, film),
        "-i",
        tmp_path / "tone.mp4",
        "-c",
        "copy",
    ]
    subprocess.run([*command, "-shortest", out], check=True, capture_output=True)
    return out
