import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.base.errors import ApplianceError
from provisioning.report import pdf, seal
from provisioning.report.document import canonical


@pytest.fixture
def pair(report, key, tmp_path):
    """(JSON, PDF) as they lie on the box."""
    sha256 = seal.digest_of(report)
    paper = seal.seal_pdf(pdf.render(report, sha256, tmp_path), sha256, key)
    return seal.seal_report(report, paper, key), paper


def test_both_files_say_who_signed_what(pair, report, key):
    data, paper = pair
    found, of_paper = seal.verify(data), seal.verify(paper)
    assert found.report == report
    assert found.pdf_sha256 == hashlib.sha256(paper).hexdigest()
    assert found.fingerprint == of_paper.fingerprint == key.fingerprint
    assert found.report_sha256 == of_paper.report_sha256 == hashlib.sha256(canonical(report)).hexdigest()


def changed(data: bytes, at: int, bit: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


def refused(data: bytes) -> bool:
    try:
        seal.verify(data)
    except ApplianceError as error:
        return error.kind == "data_loss" and bool(error.hint)
    return False


def test_every_byte_counts(pair):
    data, paper = pair
    for text in (data, paper):
        step = max(1, len(text) // 500)  # a prime-like stride over all of it; the law below takes the rest
        assert all(refused(changed(text, at, at % 8)) for at in range(0, len(text), step))
        assert refused(text[:-1]) and refused(text + b"\n") and refused(b"") and refused(text + text)


@given(share=st.floats(0, 1), bit=st.integers(0, 7))
def test_a_bit_changed_anywhere_is_told(sealed_once, share, bit):
    for text in sealed_once:
        assert refused(changed(text, int(share * (len(text) - 1)), bit))


@pytest.fixture(scope="module")
def sealed_once(tmp_path_factory):
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from appliance.store.identity import Identity
    from provisioning.report.document import Report, Result, Site, settled

    key = Identity(Ed25519PrivateKey.generate())
    site = Site("Yard", "Etc/UTC", "0190a", "1.0", key.fingerprint)
    made = settled(
        Report(
            "20260120T143000Z",
            "2026-01-20T14:30:00.000Z",
            2,
            site,
            "c0",
            "",
            (Result("ups", "UPS", "passed", "ok"),),
        )
    )
    paper = seal.seal_pdf(pdf.render(made, seal.digest_of(made), tmp_path_factory.mktemp("p")), "ab", key)
    return seal.seal_report(made, paper, key), paper


def test_another_key_signs_as_another(pair, report, key, tmp_path):
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from appliance.store.identity import Identity

    stranger = Identity(Ed25519PrivateKey.generate())
    data = seal.seal_report(report, pair[1], stranger)
    assert seal.verify(data).fingerprint == stranger.fingerprint != key.fingerprint
    mixed = data.replace(canonical(seal._coded(stranger.public_key)), canonical(seal._coded(key.public_key)))
    assert refused(mixed)


@pytest.mark.parametrize("text", [b"{}", b"null", b"%PDF-1.7\n", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_report_is_said(text):
    assert refused(text)
