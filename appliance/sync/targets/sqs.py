"""Amazon SQS, and what speaks like it.

Held: the queue lists the entry under ``Successful``. Dedupe: a FIFO queue (its name ends in ``.fifo``) is
given the row's id as deduplication id and leaves out what comes again within five minutes; in every
queue the message names its row, for the reader to leave out. A call carries at most 10 messages of 256 KB
together (API reference, SendMessageBatch).

    https://sqs.eu-central-1.amazonaws.com/123456789012/events.fifo
    options: access_key_id, region, schema, stills, longest_bytes    token: the secret access key
"""

import asyncio
import contextlib
import importlib.util
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Annotated, Any

import msgspec

from appliance.base.errors import ApplianceError, invalid
from appliance.store.targets import Target
from appliance.sync.targets.checks import ca_file, options, place, words
from appliance.sync.targets.given import Given
from appliance.sync.targets.messages import MessageOptions, MessageTarget, Outgoing, Sent

SCHEMES = {"https": True, "http": False}
MOST_TOGETHER = 10
LONGEST_TOGETHER_BYTES = 256 * 1024
ATTRIBUTES_BYTES = 200  # the attribute ``id``, its type and its name count, too
_REGION = re.compile(r"sqs\.([a-z0-9-]+)\.amazonaws\.com")
_DENIED = (
    "AccessDenied",
    "InvalidClientTokenId",
    "SignatureDoesNotMatch",
    "AuthFailure",
    "UnrecognizedClient",
    "InvalidAccessKeyId",
    "MissingAuthenticationToken",
    "InvalidSecurity",
)


class SqsOptions(MessageOptions, frozen=True, kw_only=True):
    longest_bytes: Annotated[int, msgspec.Meta(ge=1_000, le=LONGEST_TOGETHER_BYTES - ATTRIBUTES_BYTES)] = (
        LONGEST_TOGETHER_BYTES - ATTRIBUTES_BYTES
    )
    access_key_id: Annotated[str, msgspec.Meta(min_length=3, max_length=200)]
    region: str = ""


def check(given: Target, secret: str | None) -> None:
    """Raises ``invalid``."""
    where = place(given, SCHEMES, 80, 443)
    if len(where.hosts) != 1 or where.path.count("/") != 1:
        raise invalid("this is no address of a queue", "write https://HOST/ACCOUNT/QUEUE", field="url")
    _region(options(given, SqsOptions), where.hosts[0][0])
    if not secret:
        raise invalid("the secret access key is missing", "enter it as the token", field="token")


def make(given: Given) -> MessageTarget:
    check(given.target, given.secret)
    chosen = options(given.target, SqsOptions)
    return MessageTarget(given, chosen, SqsPeer(given, chosen))


class SqsPeer:
    def __init__(self, given: Given, chosen: SqsOptions) -> None:
        if importlib.util.find_spec("aiobotocore") is None:
            raise ModuleNotFoundError("aiobotocore", name="aiobotocore")
        where = place(given.target, SCHEMES, 80, 443)
        host, port = where.hosts[0]
        self._given, self._chosen = given, chosen
        self._region = _region(chosen, host)
        self._endpoint = f"{where.scheme}://{host}:{port}"
        self._session: Any = None
        self._stack: contextlib.AsyncExitStack | None = None
        self._client: Any = None
        self._opening = asyncio.Lock()

    async def send(self, messages: Sequence[Outgoing]) -> Sent:
        held: list[str] = []
        rejected: list[tuple[str, str]] = []
        error = ""
        for batch in batches(messages):
            try:
                answer = await self._send(batch)
            except ApplianceError:
                if not held:
                    raise
                return Sent(tuple(held), tuple(rejected), "the queue does not take more from us")
            except Exception as caught:  # botocore makes its classes at run time; what is held stays known
                return Sent(tuple(held), tuple(rejected), words(caught))
            held += [batch[int(entry["Id"])].id for entry in answer.get("Successful", ())]
            for entry in answer.get("Failed", ()):
                why = f"{entry.get('Code', '?')}: {entry.get('Message', '')}"
                if entry.get("SenderFault"):
                    rejected.append((batch[int(entry["Id"])].id, why))
                error = why
        return Sent(tuple(held), tuple(rejected), error)

    async def probe(self) -> str:
        async with self._errors():
            client = await self._opened()
            url = self._given.target.url
            found = await client.get_queue_attributes(
                QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
            )
        waiting = found.get("Attributes", {}).get("ApproximateNumberOfMessages", "?")
        return f"the queue is there; {waiting} messages in it"

    async def close(self) -> None:
        stack, self._stack, self._client = self._stack, None, None
        if stack is not None:
            await stack.aclose()

    async def _send(self, batch: Sequence[Outgoing]) -> Any:
        is_fifo = self._given.target.url.endswith(".fifo")
        entries = []
        for number, message in enumerate(batch):
            entry: dict[str, Any] = {
                "Id": str(number),
                "MessageBody": _allowed(message.payload.decode()),
                "MessageAttributes": {"id": {"DataType": "String", "StringValue": message.id}},
            }
            if is_fifo:
                entry |= {"MessageGroupId": self._given.device_id, "MessageDeduplicationId": message.id}
            entries.append(entry)
        async with self._errors():
            client = await self._opened()
            return await client.send_message_batch(QueueUrl=self._given.target.url, Entries=entries)

    @contextlib.asynccontextmanager
    async def _errors(self) -> AsyncIterator[None]:
        from botocore.exceptions import ClientError

        try:
            yield
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if "NonExistentQueue" in code or "QueueDoesNotExist" in code:
                raise ApplianceError("not_found", "there is no such queue", "check the address") from None
            if any(word in code for word in _DENIED):
                hint = "check access_key_id, the token and the queue's policy"
                raise ApplianceError("denied", f"the queue does not let us in ({code})", hint) from None
            raise

    async def _opened(self) -> Any:
        async with self._opening:
            if self._session is None:
                self._session = await asyncio.to_thread(self._prepared)
            if self._client is None:
                self._stack = contextlib.AsyncExitStack()
                self._client = await self._stack.enter_async_context(self._new_client())
        return self._client

    def _prepared(self) -> Any:
        """A session that has read botocore's descriptions of all services and regions: a quarter of a
        second that the loop must not stand still."""
        import aiobotocore.session

        self._session = aiobotocore.session.get_session()

        async def once() -> None:
            async with self._new_client():
                pass

        asyncio.run(once())
        return self._session

    def _new_client(self) -> Any:
        from aiobotocore.config import AioConfig

        config = AioConfig(
            connect_timeout=self._given.timeout_s,
            read_timeout=self._given.timeout_s,
            retries={"total_max_attempts": 1},  # the sender asks again, in its own order
        )
        authority = ca_file(self._given)
        return self._session.create_client(
            "sqs",
            region_name=self._region,
            endpoint_url=self._endpoint,
            aws_access_key_id=self._chosen.access_key_id,
            aws_secret_access_key=self._given.secret,
            verify=True if authority is None else str(authority),
            config=config,
        )


def batches(messages: Sequence[Outgoing]) -> Iterator[list[Outgoing]]:
    """In their order, as many together as one call carries."""
    batch: list[Outgoing] = []
    length = 0
    for message in messages:
        more = len(message.payload) + ATTRIBUTES_BYTES
        if batch and (len(batch) == MOST_TOGETHER or length + more > LONGEST_TOGETHER_BYTES):
            yield batch
            batch, length = [], 0
        batch.append(message)
        length += more
    if batch:
        yield batch


def _region(chosen: SqsOptions, host: str) -> str:
    if chosen.region:
        return chosen.region
    found = _REGION.fullmatch(host)
    if found is None:
        raise invalid("the queue's region is not known", "set the option region", field="options.region")
    return found[1]


def _allowed(text: str) -> str:
    """SQS takes XML's letters only; what it does not take is written as JSON can write it."""
    return text.replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff").replace("\x7f", "\\u007f")
