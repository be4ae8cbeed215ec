"""Headers of model files: read without a backend, and bounded whatever the bytes are."""

import io
import tempfile
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.base.errors import ApplianceError
from appliance.vision.packs import header_onnx, header_openvino
from appliance.vision.packs.header import Header, Port
from appliance.vision.packs.reading import read_header

FLOAT, INT64 = 1, 7
XML = """<?xml version="1.0"?><net name="n"><layers>
<layer id="0" name="image" type="Parameter"><data shape="1,3,4,8" element_type="f32"/><output>
<port id="0" precision="FP32"><dim>1</dim><dim>3</dim><dim>?</dim><dim>8</dim></port></output></layer>
<layer id="1" name="conv" type="Convolution"><output><port><dim>9</dim></port></output></layer>
<layer id="2" name="boxes/sink_port_0" type="Result"><input><port id="0" precision="FP32">
<dim>-1</dim><dim>5</dim></port></input></layer></layers>
<rt_info><conversion_parameters><layout value="nchw"/></conversion_parameters></rt_info></net>"""


def from_bytes(body: bytes) -> Header:
    with tempfile.TemporaryFile() as file:
        file.write(body)
        file.flush()
        return header_onnx.read(file, "x.onnx")


def test_inputs_outputs_and_notes(onnx_bytes):
    body = onnx_bytes(
        [("images", ("N", 3, None, 416), FLOAT), ("w", (3, 3), FLOAT), ("size", (1, 2), INT64)],
        [("boxes", (1, 300, 4), FLOAT)],
        {"names": "{0: 'å'}"},
        weights=["w"],
    )
    assert from_bytes(body) == Header(
        (Port("images", (None, 3, None, 416), "float32"), Port("size", (1, 2), "int64")),
        (Port("boxes", (1, 300, 4), "float32"),),
        {"names": "{0: 'å'}"},
    )


def test_every_cut_is_refused(onnx_bytes):
    body = onnx_bytes([("images", (1, 3, 8, 8), FLOAT)], [("out", (1, 9, 6), FLOAT)])
    for length in range(len(body)):
        with pytest.raises(ApplianceError) as caught:
            from_bytes(body[:length])
        assert caught.value.kind == "invalid"


@given(st.binary(max_size=2_000))
def test_any_bytes_are_a_header_or_invalid(body):
    try:
        assert from_bytes(body).inputs
    except ApplianceError as error:
        assert error.kind == "invalid"


@given(st.data())
def test_any_change_of_a_real_one_is_a_header_or_invalid(onnx_bytes, data):
    body = bytearray(onnx_bytes([("i", (1, 3, 8, 8), FLOAT)], [("o", (1, 9, 6), FLOAT)], {"task": "detect"}))
    for _ in range(data.draw(st.integers(1, 6))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        from_bytes(bytes(body))
    except ApplianceError as error:
        assert error.kind == "invalid"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"\x08\x01" * 400_000, "too many parts"),
        (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "longer than what it lies in"),
        (b"\xff" * 1_000_000, "does not end"),
        (b"\x72\x84\x80\x80\x02\x12\x80\x80\x80\x02" + b"x" * 4_194_303, "longer than|cut short"),
        (b"\x72\x85\x80\x80\x02\x12\x80\x80\x80\x02" + b"x" * 4_194_304, "too long"),
    ],
)
def test_malice_costs_neither_memory_nor_time(body, said):
    tracemalloc.start()
    try:
        with tempfile.TemporaryFile() as file:
            file.write(body)
            file.flush()
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            with pytest.raises(ApplianceError, match=said):
                header_onnx.read(file, "x.onnx")
            assert tracemalloc.get_traced_memory()[1] - before < 1_000_000
    finally:
        tracemalloc.stop()


def test_weights_are_stepped_over(onnx_bytes, tmp_path):
    body = onnx_bytes([("images", (1, 3, 8, 8), FLOAT)], [("out", (1, 9, 6), FLOAT)])
    with (tmp_path / "x.onnx").open("wb") as file:  # 3 GB of a training record before it, none on disk
        length, hole = b"", 3_000_000_000
        while hole > 0x7F:
            length, hole = length + bytes([hole & 0x7F | 0x80]), hole >> 7
        file.write(b"\xa2\x01" + length + bytes([hole]))
        file.seek(3_000_000_000, io.SEEK_CUR)
        file.write(body)
    assert read_header(tmp_path / "x.onnx").outputs[0].shape == (1, 9, 6)


def test_an_openvino_graph():
    found = header_openvino.read(io.BytesIO(XML.encode()), "x.xml")
    assert found.inputs == (Port("image", (1, 3, None, 8), "float32"),)
    assert found.outputs == (Port("boxes", (None, 5), "float32"),)
    assert found.notes == {"layout": "nchw"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html/>",
        XML[:-20],
        XML.replace('<net name="n">', '<!DOCTYPE net [<!ENTITY a "aa">]><net name="n">'),
        XML.replace("Result", "Reshape"),
        "<net>" + "<a>" * 100,
    ],
)
def test_other_xml_is_refused(text):
    with pytest.raises(ApplianceError) as caught:
        header_openvino.read(io.BytesIO(text.encode()), "x.xml")
    assert caught.value.kind == "invalid"


@given(st.binary(max_size=500), st.integers(0, len(XML)))
def test_any_insertion_is_a_header_or_invalid(noise, at):
    try:
        header_openvino.read(io.BytesIO(XML[:at].encode() + noise + XML[at:].encode()), "x.xml")
    except ApplianceError as error:
        assert error.kind == "invalid"


def test_neither_of_the_two(tmp_path):
    (tmp_path / "x.pt").write_bytes(b"PK")
    with pytest.raises(ApplianceError, match="neither"):
        read_header(tmp_path / "x.pt")
