"""The law: what a camera packetises in any way, and a network cuts anywhere, comes out as it was."""

import itertools
import random
import struct
from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appliance.media.camera.rtsp.pictures import Assembler
from appliance.media.camera.source import MOST_EMPTY
from appliance.media.mp4 import h26x
from appliance.simulator.rtp import Packetiser, interleave

VIDEO, SOUND = 0, 2
TYPE = 96
SIZES = st.integers(1, 60) | st.integers(1, 6000)
RECOVERY = b"\6\1\xc4\x80"  # a decoder can begin here (SEI payload type 6)


def text(body: bytes) -> bytes:
    """A maker's words (SEI payload type 5)."""
    return b"\5" + b"\xff" * (len(body) // 255) + bytes((len(body) % 255,)) + body + b"\x80"


class Unit(NamedTuple):
    data: bytes
    is_slice: bool
    is_key: bool


def unit(codec: str, kind: str, size: int, number: int) -> Unit:
    """``size`` bytes behind the head; ``number`` makes it one of its kind. No zeros: neither start
    codes nor what would have to be escaped."""
    h264 = {"aud": 9, "sps": 7, "pps": 8, "sei": 6, "recovery": 6, "key": 5, "delta": 1}
    hevc = {"aud": 35, "sps": 33, "pps": 34, "sei": 39, "recovery": 32, "key": 19, "delta": 1}
    name = kind.removesuffix("+")
    head = bytes((0x60 | h264[name],)) if codec == "h264" else bytes((hevc[name] << 1, 1))
    is_slice = name in ("key", "delta")
    body = bytes((number >> 7 | 0x80, number & 0x7F | 0x80)) + random.Random(number).randbytes(size)
    body = body.replace(b"\0", b"\1")
    if is_slice:  # the first bit: whether the picture begins with it
        body = (b"\x44" if kind.endswith("+") else b"\x88") + body
    elif codec == "h264" and name in ("sei", "recovery"):
        body = RECOVERY + body if name == "recovery" else text(body)
    return Unit(head + body, is_slice, name == "key" or (codec == "h264" and name == "recovery"))


class Sent(NamedTuple):
    units: list[bytes]
    stamp: int
    is_key: bool


class Camera:
    """Packetises as the RFCs allow it. ``marks``: as it ought to be, or what cameras do."""

    def __init__(self, codec: str, marks: str, mtu: int, seed: int, *, dressed: bool) -> None:
        self.h264 = codec == "h264"
        self.marks, self.mtu, self.dressed = marks, mtu, dressed
        self.random = random.Random(seed)
        self.chance = self.random.random
        self.sequence = self.random.choice((0, 7, 65_530))
        self.packets: list[bytes] = []

    def picture(self, units: list[Unit], stamp: int) -> None:
        at = 0
        while at < len(units):
            together = self._together(units[at:]) if self.chance() < 0.5 else 1
            group = units[at : at + together]
            at += together
            is_last = at == len(units)
            mark = {
                "right": is_last,
                "missing": False,
                "every slice": is_last or group[-1].is_slice,
                "sets": is_last or not group[-1].is_slice,
            }[self.marks]
            if together > 1:
                payloads = [self._aggregate([one.data for one in group])]
            elif len(group[0].data) > self.mtu:
                payloads = self._fragments(group[0].data)
            else:
                payloads = [group[0].data]
            for payload in payloads[:-1]:
                self._rtp(payload, stamp, marker=False)
            self._rtp(payloads[-1], stamp, marker=mark)

    def _together(self, units: list[Unit]) -> int:
        count, size = 0, 2
        for one in units:
            if one.is_slice and self.marks == "every slice":
                break  # each has to have a packet that can be marked
            size += 2 + len(one.data)
            if size > self.mtu:
                break
            count += 1
        return max(1, count)

    def _aggregate(self, units: list[bytes]) -> bytes:
        head = b"\x78" if self.h264 else bytes((48 << 1, 1))
        return head + b"".join(struct.pack(">H", len(one)) + one for one in units)

    def _fragments(self, data: bytes) -> list[bytes]:
        skip = 1 if self.h264 else 2
        head = bytes((data[0] & 0xE0 | 28,)) if self.h264 else bytes((data[0] & 0x81 | 49 << 1, data[1]))
        kind = data[0] & 0x1F if self.h264 else data[0] >> 1 & 0x3F
        out, at = [], skip
        while at < len(data):
            size = self.mtu if self.chance() < 0.9 else self.random.randint(1, self.mtu)
            flags = (0x80 if at == skip else 0) | (0x40 if at + size >= len(data) else 0)
            out.append(head + bytes((kind | flags,)) + data[at : at + size])
            at += size
        return out

    def _rtp(self, payload: bytes, stamp: int, *, marker: bool) -> None:
        first, extras, padding = 0x80, b"", b""
        if self.dressed and self.chance() < 0.3:
            sources, words, padded = (self.random.randrange(4) for _ in range(3))
            first |= sources | 0x10 | (0x20 if padded else 0)
            extras = bytes(4 * sources) + struct.pack(">HH", 0xBEDE, words) + bytes(4 * words)
            padding = bytes(padded - 1) + bytes((padded,)) if padded else b""
        kind = TYPE | (0x80 if marker else 0)
        head = struct.pack(">BBHII", first, kind, self.sequence, stamp & 0xFFFFFFFF, 5)
        self.sequence = (self.sequence + 1) & 0xFFFF
        self.packets.append(head + extras + payload + padding)


def run(new_peer, codec: str, packets: list[bytes], cuts=(), *, beside: bool = False) -> Assembler:
    """What comes out where ``packets`` come in pieces, with those of another channel between them."""
    parts = []
    for number, packet in enumerate(packets):
        parts.append(interleave([packet], VIDEO))
        if beside and number % 3 == 0:
            parts.append(interleave([bytes(number % 50)], SOUND))
    with new_peer() as peer:
        assembler = Assembler(codec, TYPE, peer.connection.buffer, peer.connection.view)
        peer.handlers[VIDEO] = assembler.put
        peer.feed(b"".join(parts), cuts)
        return assembler


def units_of(data: bytes) -> list[bytes]:
    return h26x.split_length_prefixed(data)


kinds = st.tuples(
    st.lists(st.sampled_from(["aud", "sps", "pps", "sei", "recovery"]), max_size=4),
    st.sampled_from(["key", "delta"]),
    st.integers(1, 4),
)
steps = st.integers(-20_000, 20_000).filter(bool) | st.sampled_from([3000, 3600, 6000, 1 << 30])
films = st.lists(st.tuples(kinds, st.lists(SIZES, min_size=8, max_size=8), steps), min_size=1, max_size=9)
cameras = st.fixed_dictionaries({
    "codec": st.sampled_from(["h264", "hevc"]),
    "marks": st.sampled_from(["right", "missing", "every slice", "sets"]),
    "mtu": st.sampled_from([40, 300, 1400, 9000]),
    "seed": st.integers(0, 1000),
    "dressed": st.booleans(),
})  # fmt: skip
cuts = st.lists(st.integers(0, 1 << 20), max_size=20)


def film(camera: Camera, codec: str, drawn, first_stamp: int) -> list[Sent]:
    """Packetise all of it, and the beginning of one more picture."""
    out, number, stamp = [], 0, first_stamp
    seen = {stamp & 0xFFFFFFFF}
    for index, ((before, kind, slices), sizes, step) in enumerate(drawn):
        # A camera that marks every slice is known for it before it is believed.
        least = 2 if camera.marks == "every slice" and index == 0 else 1
        names = [*before, kind, *[kind + "+"] * (max(least, slices) - 1)]
        units = [
            unit(codec, name, size, number + n)
            for n, (name, size) in enumerate(zip(names, sizes, strict=False))
        ]
        number += len(units)
        camera.picture(units, stamp)
        is_key = any(one.is_key for one in units)
        out.append(Sent([one.data for one in units], stamp - first_stamp, is_key))
        stamp += step
        while stamp & 0xFFFFFFFF in seen:
            stamp += 1
        seen.add(stamp & 0xFFFFFFFF)
    camera.picture([unit(codec, "delta", 5, number)], stamp)
    if camera.marks != "missing":  # its end has not come
        camera.packets[-1] = camera.packets[-1][:1] + bytes((TYPE,)) + camera.packets[-1][2:]
    return out


@given(films, cameras, st.sampled_from([0, 5, 0xFFFFFFFF, 0xFFFFF000, 1 << 31]), cuts, st.booleans())
@example(  # every byte for itself
    [((["sps", "pps"], "key", 2), [9] * 8, 3000), (([], "delta", 2), [400] * 8, 3000)],
    {"codec": "h264", "marks": "right", "mtu": 40, "seed": 1, "dressed": True}, 0, range(2500), True,
)  # fmt: skip
def test_what_was_sent_comes_out(new_peer, drawn, options, first_stamp, cuts, beside) -> None:
    camera = Camera(**options)
    sent = film(camera, options["codec"], drawn, first_stamp)
    assembler = run(new_peer, options["codec"], camera.packets, cuts, beside=beside)
    assert [(units_of(p.data), p.stamp, p.is_key) for p in assembler.done] == sent
    assert assembler.damaged == 0


@given(films, cameras, cuts, st.sets(st.integers(0, 400), max_size=6))
def test_lost_packets_cost_units_and_never_halve_one(new_peer, drawn, options, cuts, lost) -> None:
    camera = Camera(**options)
    sent = film(camera, options["codec"], drawn, 0)
    lost = {number % len(camera.packets) for number in lost}
    left = [packet for number, packet in enumerate(camera.packets) if number not in lost]
    assembler = run(new_peer, options["codec"], left, cuts)
    every = iter([one for picture in sent for one in picture.units])
    for picture in assembler.done:
        for one in units_of(picture.data):
            assert one in every  # whole, and in order: ``in`` goes on where it found the last one


@given(films, st.integers(0, 1000), cuts)
def test_of_a_picture_that_lost_a_packet_the_rest_is_kept(new_peer, drawn, seed, cuts) -> None:
    """One lost packet costs the units that it held a piece of, and nothing else."""
    camera = Camera("h264", "right", 300, seed, dressed=False)
    sent = film(camera, "h264", drawn, 0)
    number = seed % (len(camera.packets) - 1)
    gone = camera.packets[number]
    camera.picture([unit("h264", "delta", 5, 0)], 77)  # what waits for a picture goes with this one
    camera.picture([unit("h264", "delta", 5, 0)], 78)
    left = camera.packets[:number] + camera.packets[number + 1 :]
    got = [one for p in run(new_peer, "h264", left, cuts).done for one in units_of(p.data)]
    missing = [one for picture in sent for one in picture.units if one not in got]
    if gone[12] & 0x1F == 24:
        assert missing == [one for one in missing if one in gone]
    else:
        assert len(missing) <= 1


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_a_foreign_packetiser(new_peer, film_hevc, film, codec) -> None:
    made = film if codec == "h264" else film_hevc
    packetiser = Packetiser(TYPE, 90_000, 1, 65_000, 0xFFFFFF00)
    packets: list[bytes] = []
    for data, pts, _ in made.samples:
        stamp = (0xFFFFFF00 + pts) & 0xFFFFFFFF
        packets += packetiser.video(codec, units_of(data), stamp)
    assembler = run(new_peer, codec, packets, range(0, 100_000, 777))
    first = made.samples[0][1]
    sent = [(data, pts - first, key) for data, pts, key in made.samples]
    assert [(bytes(p.data), p.stamp, p.is_key) for p in assembler.done] == sent


def whole(codec: str, groups: list[tuple[list[str], int]], marks: str = "right") -> Camera:
    """Pictures of small units, each in a packet of its own."""
    camera = Camera(codec, marks, 1400, 0, dressed=False)
    camera.chance = lambda: 1.0
    for number, (names, stamp) in enumerate(groups):
        camera.picture([unit(codec, name, 9, number * 10 + n) for n, name in enumerate(names)], stamp)
    return camera


def heads(assembler: Assembler) -> list[list[int]]:
    return [[h26x.nal_type("h264", one[0]) for one in units_of(p.data)] for p in assembler.done]


def test_a_picture_is_handed_on_with_its_last_packet_once_the_marker_is_known(new_peer) -> None:
    groups = [(["delta"], 3000 * n) for n in range(10)]
    camera = whole("h264", groups)
    for count, expected in ((1, 0), (2, 1), (3, 2), (4, 4), (5, 5), (10, 10)):
        assert len(run(new_peer, "h264", camera.packets[:count]).done) == expected


def test_a_marker_that_was_wrong_is_never_believed_again(new_peer) -> None:
    groups = [(["delta"], 3000 * n) for n in range(6)]
    groups += [(["delta", "delta+"], 3000 * n) for n in range(6, 12)]
    got = heads(run(new_peer, "h264", whole("h264", groups, "every slice").packets))
    assert got == [[1]] * 6 + [[1], [1]] + [[1, 1]] * 4  # one was halved before; the last has not ended


@pytest.mark.parametrize("marks", ["right", "sets", "missing"])
def test_parameter_sets_with_a_time_of_their_own_wait_for_their_picture(new_peer, marks) -> None:
    groups: list[tuple[list[str], int]] = []
    for number in range(0, 40, 4):
        groups += [(["sps"], number * 3000), (["pps"], number * 3000 + 1), (["key"], number * 3000 + 2)]
        groups += [(["delta"], number * 3000 + 3000)]
    assembler = run(new_peer, "h264", whole("h264", groups, marks).packets)
    count = 20 if marks != "missing" else 19
    assert heads(assembler) == ([[7, 8, 5], [1]] * 10)[:count]
    assert [p.is_key for p in assembler.done] == ([True, False] * 10)[:count]
    stamps = [number * 3000 + more for number in range(0, 40, 4) for more in (2, 3000)]
    assert [p.stamp for p in assembler.done] == stamps[:count]
    assert assembler.empty == 0


def test_the_same_time_twice_is_two_pictures_where_markers_say_so(new_peer) -> None:
    groups = [(["delta"], 0), (["delta"], 0), (["sps", "pps", "key"], 0), (["delta"], 3000)]
    assert heads(run(new_peer, "h264", whole("h264", groups).packets)) == [[1], [1], [7, 8, 5]]


@pytest.mark.parametrize("mtu", [60, 1400])
@pytest.mark.parametrize("code", [b"\0\0\1", b"\0\0\0\1"])
def test_start_codes_inside_one_unit(new_peer, mtu, code) -> None:
    sps, pps, key = (unit("h264", name, 50, n).data for n, name in enumerate(["sps", "pps", "key"]))
    camera = Camera("h264", "right", mtu, 0, dressed=False)
    for number in range(3):
        joined = Unit(code.join([sps, pps, key]), True, True)
        camera.picture([joined], number * 6000)
        camera.picture([unit("h264", "delta", 5, 9)], number * 6000 + 3000)
    done = run(new_peer, "h264", camera.packets).done
    assert [p.is_key for p in done[:4]] == [True, False, True, False]
    assert units_of(done[0].data) == units_of(done[2].data) == [sps, pps, key]


@pytest.mark.parametrize(("announced", "sent"), [("h264", "hevc"), ("hevc", "h264")])
def test_another_codec_than_announced_is_noticed(new_peer, announced, sent) -> None:
    groups = [(["sps", "pps", "key"] if n % 10 == 0 else ["delta"], 3000 * n) for n in range(40)]
    camera = whole(sent, groups)
    if sent == "h264":  # as most encoders have it: nal_ref_idc 2
        camera.packets = [p[:12] + bytes((p[12] & 0x1F | 0x40,)) + p[13:] for p in camera.packets]
    assembler = run(new_peer, announced, camera.packets)
    assert assembler.empty > MOST_EMPTY
    assert not assembler.done


def test_a_key_frame_that_is_lost_is_none(new_peer) -> None:
    """Its first slice was in pieces, and one of them is missing."""
    camera = Camera("h264", "right", 100, 0, dressed=False)
    camera.picture([unit("h264", "delta", 5, 0)], 0)
    camera.picture([unit("h264", "key", 900, 1)], 3000)
    camera.picture([unit("h264", "delta", 5, 2)], 6000)
    camera.picture([unit("h264", "delta", 5, 3)], 9000)
    assembler = run(new_peer, "h264", camera.packets[:4] + camera.packets[5:])
    assert [(p.stamp, p.is_key) for p in assembler.done][:2] == [(0, False), (6000, False)]
    assert assembler.damaged == 1


@pytest.mark.parametrize("size", [5, 0, 400, 0xFFFF])
def test_an_aggregate_that_lies_gives_what_is_whole(new_peer, size) -> None:
    camera = whole("h264", [(["delta"], 3000 * n) for n in range(3)])
    honest, rest = b"\x41\x88ok", b"\x41\x44no"
    liar = b"\x78" + struct.pack(">H", len(honest)) + honest + struct.pack(">H", size) + rest
    camera.packets[1] = camera.packets[1][:12] + liar
    assembler = run(new_peer, "h264", camera.packets)
    assert units_of(assembler.done[1].data) == [honest]
    assert assembler.damaged == 1


def test_packets_of_other_types_and_versions_are_passed_over(new_peer) -> None:
    camera = whole("h264", [(["delta"], 3000 * n) for n in range(5)])
    strange = []
    for packet in camera.packets:
        strange += [packet[:1] + bytes((TYPE + 1,)) + packet[2:], b"\x40" + packet[1:], packet[:11], b""]
        strange.append(packet)
    assembler = run(new_peer, "h264", strange)
    assert heads(assembler) == [[1]] * 5
    assert assembler.damaged == 0


HEADS = [b"", b"\x7c", b"\x78", b"\x65\x88", b"\x62\x01", b"\x60\x01", b"\x67", b"\x26\x01\x88"]
BODIES = st.binary(max_size=40) | st.sampled_from([b"\0\0\1\x65\x88", b"\0\0\1\0\0\1", b"\x06\x06\x01\x80"])


@given(
    st.sampled_from(["h264", "hevc"]),
    st.lists(
        st.tuples(
            st.integers(0, 255),
            st.sampled_from([TYPE, TYPE | 0x80]),
            st.integers(0, 2),
            st.integers(0, 2),
            st.sampled_from(HEADS),
            BODIES,
        ),
        max_size=25,
    ),
)
def test_lies_are_no_error(new_peer, codec, drawn) -> None:
    packets, sequence = [], 0
    for first, kind, step, stamp, head, body in drawn:
        sequence += step != 0
        packets.append(struct.pack(">BBHII", first | 0x80, kind, sequence, stamp, 1) + head + body)
    assembler = run(new_peer, codec, packets)
    for picture in assembler.done:
        assert all(units_of(picture.data))


def test_a_stream_that_was_recorded(new_peer, bunny) -> None:
    def play(cuts) -> list:
        with new_peer() as peer:
            assembler = Assembler("h264", 97, peer.connection.buffer, peer.connection.view)
            peer.handlers[2] = assembler.put
            peer.feed(bunny, cuts)
            assert assembler.damaged == assembler.empty == 0
            return assembler.done

    done = play(())
    assert len(done) == 245
    assert done[0].is_key
    assert h26x.parse("h264", h26x.parameter_sets("h264", units_of(done[0].data))).width == 240
    assert all(0 < later.stamp - earlier.stamp < 20_000 for earlier, later in itertools.pairwise(done))
    assert play(random.Random(5).sample(range(len(bunny)), 500)) == done
