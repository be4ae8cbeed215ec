"""What box and hub agree on must not drift: digests, signed texts, bounds."""

import hashlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.sync.protocol import counts, enrolment
from appliance.sync.protocol.batch import Row
from appliance.sync.protocol.upload import Manifest


@given(st.sets(st.text("abcdef0123456789-", min_size=1, max_size=64), max_size=50))
def test_a_digest_is_forty_bits_of_the_ids_hash_whatever_the_order(ids):
    for id_ in ids:
        assert counts.digest(id_) == int(hashlib.sha256(id_.encode()).hexdigest()[:10], 16)
    assert sum(map(counts.digest, sorted(ids))) == sum(map(counts.digest, ids))


def test_what_an_enrolment_signs_names_every_field_but_the_proof():
    fields = {name: name for name in enrolment.Enrolment.__struct_fields__}
    text = enrolment.Enrolment(**fields).signed_text()
    assert text.startswith(enrolment.CONTEXT)
    assert [line.decode() for line in text.split(b"\n")[1:]] == [name for name in fields if name != "proof"]


@pytest.mark.parametrize("bad", ["", "../../etc", "a b", "x" * 65, "ü", "a\n"])
def test_an_id_that_could_be_a_path_is_no_id(bad):
    row = {"id": bad, "kind": "event", "created_at": "2026-01-20T14:30:00.000Z", "body": {}}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(row, Row)


def test_a_file_has_a_size_and_a_hash():
    file = {"event_id": "e", "camera_id": "c", "start_time": "s", "end_time": "e"}
    good = {"kind": "clip", "created_at": "", "file": file, "size_bytes": 1, "sha256": "0" * 64}
    good["mime"] = "video/mp4"
    assert msgspec.convert(good, Manifest).file.stream == "main"
    for field, bad in (
        ("size_bytes", 0),
        ("size_bytes", 5 << 30),
        ("sha256", "0" * 63),
        ("mime", "text/html"),
    ):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({**good, field: bad}, Manifest)
