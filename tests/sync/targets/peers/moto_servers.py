"""moto's SQS and S3, on loopback. It does not check signatures unless told so: ``strict`` does."""

import contextlib
import shutil
import sys
from pathlib import Path

import aiobotocore.session
from base import Peer
from link import Link, Program, free_port

from appliance.sync.envelope.reading import read

KEYS = {"aws_access_key_id": "AKIATEST", "aws_secret_access_key": "test"}

SESSION = aiobotocore.session.get_session()  # it reads megabytes of descriptions, once


def moto() -> str | None:
    beside = Path(sys.executable).parent / "moto_server"
    return str(beside) if beside.exists() else shutil.which("moto_server")


class Moto(Peer):
    """One server for a whole session of tests: it takes two seconds to start and forgets all when it ends."""

    secret = "the-Secret-access-key"
    program: Program

    async def start(self) -> None:
        if self.link is None:
            self.link = Link(self.program.port)
            await self.create()
        await self.link.mend()

    async def stop(self) -> None:
        """Its process cannot be killed without losing its memory, so its link is."""
        await self.link.cut()

    async def create(self) -> None: ...

    @contextlib.asynccontextmanager
    async def client(self, service: str):
        endpoint = f"http://127.0.0.1:{self.program.port}"
        async with SESSION.create_client(
            service, region_name="eu-central-1", endpoint_url=endpoint, **KEYS
        ) as made:
            yield made


class Sqs(Moto):
    """moto checks no signature here; a wrong key is played by test_sqs."""

    kind = "sqs"
    options = {"access_key_id": "AKIATEST", "region": "eu-central-1"}
    too_long_bytes = 300_000
    queue = "events"

    async def create(self) -> None:
        async with self.client("sqs") as sqs:
            self.queue = f"q{free_port()}{'.fifo' if self.queue.endswith('.fifo') else ''}"
            attributes = {"FifoQueue": "true"} if self.queue.endswith(".fifo") else {}
            made = await sqs.create_queue(QueueName=self.queue, Attributes=attributes)
            self.own_url = made["QueueUrl"]
        self.taken: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.link.port}/123456789012/{self.queue}"

    async def held(self) -> list[str]:
        async with self.client("sqs") as sqs:
            while True:
                found = await sqs.receive_message(
                    QueueUrl=self.own_url, MaxNumberOfMessages=10, MessageAttributeNames=["id"]
                )
                for message in found.get("Messages", ()):
                    said = read(message["Body"].encode())
                    assert message["MessageAttributes"]["id"]["StringValue"] == said.id
                    self.taken.append(said.id)
                    await sqs.delete_message(QueueUrl=self.own_url, ReceiptHandle=message["ReceiptHandle"])
                if not found.get("Messages"):
                    return list(self.taken)


class SqsFifo(Sqs):
    """As Sqs: moto checks no signature here."""

    queue = "events.fifo"
    overwrites = True


class S3(Moto):
    """moto checks no signature here; a wrong key is played by test_s3."""

    kind = "s3"
    options = {"access_key_id": "AKIATEST"}
    overwrites = True
    takes_files = True

    async def create(self) -> None:
        self.bucket = f"b{free_port()}"
        async with self.client("s3") as s3:
            where = {"LocationConstraint": "eu-central-1"}
            await s3.create_bucket(Bucket=self.bucket, CreateBucketConfiguration=where)

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/sites/north"

    def given(self, *, options=None, **changes):
        endpoint = {"endpoint": f"http://127.0.0.1:{self.link.port}", "region": "eu-central-1"}
        return super().given(options=endpoint | (options or {}), **changes)

    async def objects(self) -> dict[str, bytes]:
        found = {}
        async with self.client("s3") as s3:
            for each in (await s3.list_objects_v2(Bucket=self.bucket)).get("Contents", ()):
                got = await s3.get_object(Bucket=self.bucket, Key=each["Key"])
                found[each["Key"]] = await got["Body"].read()
        return found

    async def held(self) -> list[str]:
        objects = await self.objects()
        return [
            read(line).id
            for key, body in objects.items()
            if key.startswith("sites/north/box-1/rows/2026-01-20/")
            for line in body.splitlines()
        ]

    async def file(self, row_id: str) -> bytes | None:
        for key, body in (await self.objects()).items():
            if row_id in key and "/files/" in key:
                return body
        return None

    async def leftovers(self) -> int:
        async with self.client("s3") as s3:
            return len((await s3.list_multipart_uploads(Bucket=self.bucket)).get("Uploads", ()))
