import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.base.errors import ApplianceError
from appliance.simulator.spec import CameraSpec, format_spec, parse_sim_url, parse_spec
from appliance.simulator.steps import DOES, Step, parse_script

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=1, max_size=20)


def test_everything_has_a_default() -> None:
    spec = parse_spec("gate")
    assert (spec.name, spec.fps, spec.width, spec.height, spec.codec, spec.gop) == (
        "gate",
        15,
        640,
        360,
        "h264",
        15,
    )
    assert parse_spec("gate?fps=10").gop == 10
    assert parse_sim_url("sim://gate?fps=&size=&codec=&gop=") == spec


@given(
    name=NAMES,
    fps=st.integers(1, 60),
    gop=st.integers(1, 300),
    credentials=st.none() | st.tuples(WORDS, WORDS),
    file=st.none() | WORDS,
    steps=st.lists(st.tuples(st.sampled_from(["stall", "heal", "loss"]), st.integers(0, 90)), max_size=3),
)
def test_format_is_the_inverse_of_parse(
    name: str,
    fps: int,
    gop: int,
    credentials: tuple[str, str] | None,
    file: str | None,
    steps: list[tuple[str, int]],
) -> None:
    user, password = credentials or (None, None)
    script = tuple(
        sorted((Step(do, "5" if do == "loss" else "", at) for do, at in steps), key=lambda s: s.at_s)
    )
    spec = CameraSpec(
        name, fps, 320, 180, "h265", gop, 3, user=user, password=password, file=file, script=script
    )
    assert parse_spec(format_spec(spec)) == spec


@pytest.mark.parametrize(
    ("text", "field", "hint"),
    [
        ("gate?fsp=10", "fsp", "'fps'"),
        ("gate?sise=1x1", "sise", "'size'"),
        ("gate?fps=0", "fps", "1 to 60"),
        ("gate?fps=nan", "fps", "1 to 60"),
        ("gate?size=641x360", "size", "even"),
        ("gate?size=big", "size", "640x360"),
        ("gate?codec=vp9", "codec", "h264"),
        ("gate?user=me", "user", "both"),
        ("gate?script=stal@3", "do", "'stall'"),
        ("gate?script=loss:200", "loss", "100"),
        ("gate?script=size", "size", "640x360"),
        ("../etc", "name", "letters"),
        ("", "name", "letters"),
    ],
)
def test_a_mistake_is_named_with_its_cure(text: str, field: str, hint: str) -> None:
    with pytest.raises(ApplianceError) as caught:
        parse_spec(text)
    assert caught.value.kind == "invalid"
    assert caught.value.field == field
    assert hint in caught.value.hint


def test_a_sim_url_neither_reads_files_nor_takes_ports() -> None:
    for url in ("sim://x?file=/etc/passwd", "sim://x?port=22", "rtsp://x"):
        with pytest.raises(ApplianceError, match=r"sim://"):
            parse_sim_url(url)
    assert parse_sim_url("sim://x?file=/a.mp4", allow_files=True).file == "/a.mp4"


def test_no_password_in_what_ends_up_in_logs() -> None:
    spec = parse_spec("gate?user=admin&password=hush&script=password:hush@3")
    assert "hush" not in repr(spec) + repr(spec.script)


def test_a_script_is_ordered_by_time() -> None:
    assert [str(step) for step in parse_script("heal@9,stall@2,loss@4")] == ["stall@2", "loss:5@4", "heal@9"]
    assert all(
        parse_script(do + (":320x180" if do == "size" else ":h265" if "codec" in do else "")) for do in DOES
    )
