"""Long files in parts (Amazon S3 API reference: CreateMultipartUpload and its kin).

The store remembers which parts it has; a part that is there is known by the MD5 that is its ETag (a
checksum here, no protection) and is not sent again. Where the ETag is none (encrypted with a customer's
key), all parts go again: nothing is believed that cannot be checked.
"""

import hashlib
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator

import msgspec

from appliance.base.clock import SECOND_NS, parse_rfc3339
from appliance.base.errors import ApplianceError
from appliance.sync.targets import Material, Pace
from appliance.sync.targets.s3.requests import Requests

PIECE_BYTES = 65_536
ABANDONED_NS = 30 * 86_400 * SECOND_NS
SHA256 = "x-amz-meta-sha256"


class Upload(msgspec.Struct, frozen=True):
    key: str
    id: str
    since_ns: int


async def is_there(requests: Requests, key: str, material: Material) -> bool:
    """Whether exactly this file is there already: an answer was lost."""
    answer = await requests.ask("HEAD", key)
    size = answer.headers.get("Content-Length")
    return (
        answer.status == 200
        and answer.headers.get(SHA256) == material.sha256
        and size == str(material.size_bytes)
    )


async def upload(requests: Requests, key: str, material: Material, pace: Pace, part_bytes: int) -> None:
    """Goes on where it stopped. Raises ``data_loss`` where the material's bytes are not what they
    should be (then nothing is left there), and what ``Requests`` raises."""
    uploads = await waiting(requests, key)
    same = [each for each in uploads if each.key == key]
    current = max(same, key=lambda each: each.since_ns).id if same else await _create(requests, key, material)
    for each in uploads:
        if each.id != current:
            await abort(requests, each)
    there = await _parts(requests, key, current)
    etags: list[str] = []
    digest = hashlib.sha256()
    for offset in range(0, material.size_bytes, part_bytes):
        number = len(etags) + 1
        data = await _read(material, offset, min(part_bytes, material.size_bytes - offset))
        digest.update(data)
        etag = there.get(number)
        if etag is None or etag.strip('"') != hashlib.md5(data, usedforsecurity=False).hexdigest():
            etag = await _put_part(requests, key, current, number, data, pace)
        etags.append(etag)
    if digest.hexdigest() != material.sha256:
        await abort(requests, Upload(key, current, 0))
        raise ApplianceError("data_loss", "the file changed while it was read", "it is made again")
    await _complete(requests, key, current, etags)


async def waiting(requests: Requests, prefix: str) -> list[Upload]:
    """Uploads below ``prefix`` that were begun and neither completed nor aborted; at most 1 000."""
    answer = await requests.ask("GET", "", {"uploads": "", "prefix": prefix})
    return [
        Upload(each.findtext("Key") or "", each.findtext("UploadId") or "", _since(each))
        for each in answer.xml().iter("Upload")
    ]


async def abort(requests: Requests, upload: Upload) -> None:
    """Its parts are thrown away; one that is not there any more is fine."""
    await requests.ask("DELETE", upload.key, {"uploadId": upload.id})


async def abort_abandoned(requests: Requests, prefix: str, but: str, now_ns: int) -> None:
    """What was begun a month ago: its row was dropped, or its box is gone. ``but``: the key at hand."""
    for each in await waiting(requests, prefix):
        if each.key != but and now_ns - each.since_ns > ABANDONED_NS:
            await abort(requests, each)


async def _create(requests: Requests, key: str, material: Material) -> str:
    headers = {"content-type": material.mime, SHA256: material.sha256}
    answer = await requests.ask("POST", key, {"uploads": ""}, headers)
    found = answer.xml().findtext("UploadId")
    if not found:
        raise ApplianceError("unavailable", "the store began no upload", "it is asked again")
    return found


async def _parts(requests: Requests, key: str, upload_id: str) -> dict[int, str]:
    """number -> ETag of what is there."""
    found: dict[int, str] = {}
    marker = "0"
    while True:
        answer = await requests.ask("GET", key, {"uploadId": upload_id, "part-number-marker": marker})
        if answer.status == 404:
            raise ApplianceError("unavailable", "the store has given the upload up", "it begins anew")
        root = answer.xml()
        for part in root.iter("Part"):
            found[int(part.findtext("PartNumber") or 0)] = part.findtext("ETag") or ""
        following = root.findtext("NextPartNumberMarker") or ""
        if root.findtext("IsTruncated") != "true" or following in ("", marker):
            return found
        marker = following


async def _put_part(
    requests: Requests, key: str, upload_id: str, number: int, data: bytes, pace: Pace
) -> str:
    params = {"partNumber": str(number), "uploadId": upload_id}
    answer = await requests.ask("PUT", key, params, body=data, pieces=_paced(data, pace))
    etag = answer.headers.get("ETag", "")
    if answer.status != 200 or not etag:
        raise ApplianceError("unavailable", "the store did not take a part", "it is sent again")
    return etag


async def _complete(requests: Requests, key: str, upload_id: str, etags: list[str]) -> None:
    root = ET.Element("CompleteMultipartUpload", xmlns="http://s3.amazonaws.com/doc/2006-03-01/")
    for number, etag in enumerate(etags, 1):
        part = ET.SubElement(root, "Part")
        ET.SubElement(part, "PartNumber").text = str(number)
        ET.SubElement(part, "ETag").text = etag
    answer = await requests.ask("POST", key, {"uploadId": upload_id}, body=ET.tostring(root))
    # 200 comes first and keeps the connection alive; whether it went well stands in the body
    if answer.status != 200 or answer.xml().tag != "CompleteMultipartUploadResult":
        raise ApplianceError("unavailable", f"the store could not put it together ({answer.code()})", "")


async def _read(material: Material, offset: int, length_bytes: int) -> bytes:
    data = bytearray()
    async for piece in material.read(offset, length_bytes):
        data += piece
    if len(data) != length_bytes:
        raise ApplianceError("data_loss", "the file became shorter while it was read", "it is made again")
    return bytes(data)


async def _paced(data: bytes, pace: Pace) -> AsyncIterator[bytes]:
    for start in range(0, len(data), PIECE_BYTES):
        piece = data[start : start + PIECE_BYTES]
        await pace.ready(len(piece))
        yield piece


def _since(upload: ET.Element) -> int:
    try:
        return parse_rfc3339(upload.findtext("Initiated") or "")
    except ApplianceError:
        return 0
