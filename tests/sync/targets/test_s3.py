"""What is S3's own: signatures, parts that go on after a cut, and what is left behind."""

import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.base.clock import SECOND_NS, parse_rfc3339
from appliance.store.outbox import OutboxRow
from appliance.sync.envelope.reading import read
from appliance.sync.targets import registry
from appliance.sync.targets.s3.bucket import Bucket
from appliance.sync.targets.s3.signing import query_of, signed_headers

CLIP = OutboxRow("clip-1", "clip", b"{}", 1_768_919_400_123_000_000, 0, False)
PART = 5 << 20
KEY_ID, KEY = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


def test_the_signature_is_the_one_of_amazon_s_own_example():
    # Amazon S3 API reference, "Signature calculations for the Authorization header", first example
    bucket = Bucket("examplebucket", "", "https://examplebucket.s3.amazonaws.com", "us-east-1", KEY_ID, KEY)
    now_ns = parse_rfc3339("2013-05-24T00:00:00Z")
    headers = signed_headers(bucket, "GET", f"{bucket.url}/test.txt", {"Range": "bytes=0-9"}, b"", now_ns)
    assert headers["authorization"].endswith(
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    )


@settings(max_examples=40)
@given(
    st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD"]),
    st.text("abcXYZ019-_.~/", min_size=1, max_size=30).filter(lambda key: "//" not in key),
    st.dictionaries(st.sampled_from(["uploads", "uploadId", "partNumber", "prefix"]), st.text(max_size=12)),
    st.binary(max_size=30),
)
def test_signatures_are_botocore_s(method, key, params, body):
    pytest.importorskip("botocore")
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    bucket = Bucket("b", "", "http://127.0.0.1:9000/b", "eu-central-1", KEY_ID, KEY)
    url = f"{bucket.url}/{key}" + ("?" + query_of(params) if params else "")
    ours = signed_headers(bucket, method, url, {"x-amz-meta-a": "b"}, body, 1_768_919_400 * SECOND_NS)
    headers = {name: ours[name] for name in ("x-amz-meta-a", "x-amz-content-sha256", "x-amz-date")}
    request = AWSRequest(method, url, headers, body)
    signer = S3SigV4Auth(Credentials(KEY_ID, KEY), "s3", "eu-central-1")
    request.context["timestamp"] = ours["x-amz-date"]
    text = signer.string_to_sign(request, signer.canonical_request(request))
    assert ours["x-amz-content-sha256"] == hashlib.sha256(body).hexdigest()
    assert ours["authorization"].endswith(f"Signature={signer.signature(text, request)}")


@pytest.fixture
async def s3(start_peer):
    return await start_peer("s3")


async def test_after_a_cut_and_a_new_start_it_goes_on_behind_the_last_whole_part(s3, film, pace):
    made = film(b"".join(n.to_bytes(4) * 16_384 for n in range(280)))  # 18 MB: four parts
    first = registry.make(s3.given())
    s3.link.cut_after(2 * PART + PART // 2)
    assert (await first.put_file(CLIP, made, pace)).kind == "later"
    await first.close()
    assert await s3.file("clip-1") is None and await s3.leftovers() == 1
    await s3.link.mend()
    second, before = registry.make(s3.given()), pace.sent_bytes
    assert (await second.put_file(CLIP, made, pace)).acknowledged == ("clip-1",)
    await second.close()
    assert pace.sent_bytes - before == made.size_bytes - 2 * PART
    assert await s3.file("clip-1") == made.data and await s3.leftovers() == 0


async def test_other_bytes_under_the_same_row_replace_the_parts_that_differ(s3, film, pace):
    old, new = film(bytes(2 * PART)), film(b"x" * 2 * PART)
    target = registry.make(s3.given())
    s3.link.cut_after(PART + 100_000)
    assert (await target.put_file(CLIP, old, pace)).kind == "later"
    await s3.link.mend()
    assert (await target.put_file(CLIP, new, pace)).kind == "delivered"
    await target.close()
    assert await s3.file("clip-1") == new.data


async def test_what_was_begun_and_then_dropped_is_aborted_with_its_tombstone(s3, film, pace):
    target = registry.make(s3.given())
    s3.link.cut_after(PART + 100_000)
    assert (await target.put_file(CLIP, film(bytes(2 * PART)), pace)).kind == "later"
    await s3.link.mend()
    assert await s3.leftovers() == 1
    dead = OutboxRow(CLIP.id, "clip", b'{"kind":"clip","reason":"quota"}', CLIP.created_ns, 1, True)
    assert (await target.put([dead])).acknowledged == (CLIP.id,)
    await target.close()
    assert await s3.leftovers() == 0


async def test_of_two_uploads_of_a_file_one_goes_on_and_none_is_left(s3, film, pace):
    target = registry.make(s3.given())
    async with s3.client("s3") as client:
        for _ in range(2):
            await client.create_multipart_upload(Bucket=s3.bucket, Key=target.key_of_file(CLIP, "video/mp4"))
    assert (await target.put_file(CLIP, film(b"x"), pace)).kind == "delivered"
    await target.close()
    assert await s3.leftovers() == 0 and await s3.file("clip-1") == b"x"


async def test_what_was_begun_a_month_ago_is_aborted(s3, film, pace):
    given_ = s3.given()
    async with s3.client("s3") as client:
        for key in (
            "sites/north/box-1/files/2026-01-01/old.mp4",
            "sites/north/box-2/files/2026-01-01/other.mp4",
        ):
            await client.create_multipart_upload(Bucket=s3.bucket, Key=key)
        begun = (await client.list_multipart_uploads(Bucket=s3.bucket))["Uploads"][0]["Initiated"]
    given_.clock.set_ns(round(begun.timestamp() + 31 * 86_400) * SECOND_NS)
    target = registry.make(given_)
    assert (await target.put_file(CLIP, film(b"x"), pace)).kind == "delivered"
    await target.close()
    assert await s3.leftovers() == 1  # the other box's is none of our business


async def test_rows_are_lines_of_messages_under_a_key_that_follows_from_them(s3):
    target = registry.make(s3.given(options={"schema": "1"}))
    some = [OutboxRow(f"r{n}", "event", b'{"a":1}', CLIP.created_ns + n, 0, False) for n in range(3)]
    await target.put(some)
    await target.close()
    ((key, body),) = (await s3.objects()).items()
    assert key.startswith("sites/north/box-1/rows/2026-01-20/143000-") and key.endswith(".jsonl")
    assert [read(line).id for line in body.splitlines()] == ["r0", "r1", "r2"]
    assert set(json.loads(body.splitlines()[0])) == {"device_id", "id", "kind", "created_at", "body"}


@pytest.mark.parametrize("url", ["s3://no-such-bucket-here/x"])
async def test_a_bucket_that_is_not_there_is_refused(s3, url, film, pace):
    import msgspec

    given_ = s3.given()
    object.__setattr__(given_, "target", msgspec.structs.replace(given_.target, url=url))
    target = registry.make(given_)
    for verdict in (await target.put([CLIP]), await target.put_file(CLIP, film(b"x"), pace)):
        assert verdict.kind == "refused" and "no such bucket" in verdict.error
    assert not (await target.probe()).ok
    await target.close()


DENIALS = (
    (403, "SignatureDoesNotMatch", "refused"),
    (403, "InvalidAccessKeyId", "refused"),
    (503, "SlowDown", "later"),
)


@pytest.mark.parametrize(("status", "code", "kind"), DENIALS)
async def test_what_a_store_answers(status, code, kind, s3, scripted, film, pace):
    """moto lets everybody in; these are the answers that the S3 API reference documents."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>"
    server = await scripted(status, body)
    target = registry.make(s3.given(options={"endpoint": server}))
    for verdict in (await target.put([CLIP]), await target.put_file(CLIP, film(b"x"), pace)):
        assert verdict.kind == kind and s3.secret not in verdict.error
    await target.close()


@pytest.mark.parametrize("body", ["", "<html>", "<a" * 100_000, "x" * 3_000_000])
async def test_nonsense_is_later(body, s3, scripted, film, pace):
    target = registry.make(s3.given(options={"endpoint": await scripted(200, body)}))
    assert (await target.put_file(CLIP, film(b"x"), pace)).kind == "later"
    await target.close()
