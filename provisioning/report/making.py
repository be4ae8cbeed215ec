"""From what is known so far to the sealed pair of files: ``report.json`` and ``report.pdf``."""

from pathlib import Path

import msgspec

from appliance.base.clock import Clock
from provisioning.report import pdf, seal
from provisioning.report.compare import differences
from provisioning.report.document import Comparison, CustomerSignature, Report, Result, Site, settled
from provisioning.report.kept import Draft, Reports
from provisioning.report.key import device_key
from provisioning.report.seal import digest_of

# What takes a person, and is said to be missing where nobody took part.
BY_HAND = {
    "walk": ("Walk test", "Walk past each camera, with the telephone in your hand."),
    "power_cut": ("Power cut", "Begin the power-cut test, pull the plug, put it back."),
}
# As they stand in the report, whatever came first.
RESULTS = (
    "cameras", "walk", "pictures", "disk", "channels", "power_cut", "ups", "tunnel", "update_key",
)  # fmt: skip


class About(msgspec.Struct, frozen=True):
    """Of the box: what the daemon says of itself."""

    site_name: str
    time_zone: str
    device_id: str
    version: str


def make(
    data_dir: Path, clock: Clock, draft: Draft, about: About, signature: CustomerSignature | None = None
) -> Report:
    """Blocks for a second or so: run it in a thread. Raises ``conflict`` where it is signed already."""
    reports = Reports(data_dir)
    key = device_key(data_dir, clock)
    report = _report(draft, about, key.fingerprint, reports, signature)
    sha256 = digest_of(report)
    body = pdf.render(report, sha256, reports.folder(report.id))
    paper = seal.seal_pdf(body, sha256, key)
    reports.put(report, seal.seal_report(report, paper, key), paper)
    return report


def _report(
    draft: Draft, about: About, fingerprint: str, reports: Reports, signature: CustomerSignature | None
) -> Report:
    order = sorted(draft.results, key=lambda name: RESULTS.index(name) if name in RESULTS else len(RESULTS))
    report = Report(
        id=draft.id,
        made_at=draft.made_at,
        minutes=draft.minutes,
        site=Site(about.site_name, about.time_zone, about.device_id, about.version, fingerprint),
        covers=draft.covers,
        installer=draft.installer,
        results=(*(draft.results[name] for name in order), *_left_out(draft)),
        signature=signature,
    )
    first = reports.first(but=draft.id)
    if first is not None and first.report.site.device_id == about.device_id:
        compared = Comparison(
            first.report.id, first.report.made_at, first.sha256, differences(first.report, report)
        )
        report = msgspec.structs.replace(report, first=compared)
    return settled(report)


def _left_out(draft: Draft) -> list[Result]:
    return [
        Result(name, title, "not_done", "It was not done.", hint)
        for name, (title, hint) in BY_HAND.items()
        if name not in draft.results
    ]
