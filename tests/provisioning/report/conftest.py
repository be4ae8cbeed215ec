"""A report as a box of twelve cameras would have it, and a key to seal it with."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.store.identity import Identity
from provisioning.report.document import CustomerSignature, Figure, Line, Report, Result, Site, settled


@pytest.fixture
def key():
    return Identity(Ed25519PrivateKey.generate())


@pytest.fixture
def report(key):
    def figures(fps):
        return (Figure("frame rate", fps, "frames/s"), Figure("lost", 0, "%"), Figure("clock skew", 0.1, "s"))

    lines = tuple(
        Line(f"camera-{n}/main", f"Camera {n}", "passed", "every frame is recorded", figures(15))
        for n in range(12)
    )
    results = (
        Result("cameras", "Cameras", "passed", "12 of 12 streams are as they should be.", lines=lines),
        Result("ups", "UPS", "not_done", "No UPS is connected.", "Connect one."),
    )
    site = Site("Werk Süd", "Europe/Berlin", "0190a", "1.0", key.fingerprint)
    strokes = (((0.1, 0.5), (0.4, 0.2)), ((0.5, 0.5),))
    signature = CustomerSignature("A. Kundin", "2026-01-20T15:00:00.000Z", strokes)
    made_at = "2026-01-20T14:30:00.000Z"
    return settled(Report("20260120T143000Z", made_at, 2, site, "c0", "Ravi", results, signature=signature))
