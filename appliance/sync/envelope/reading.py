"""A message -> what it says, whoever wrote it. Strangers' bytes: everything is checked."""

import base64
import binascii
import hashlib

import msgspec

from appliance.base.clock import parse_rfc3339
from appliance.base.errors import ApplianceError
from appliance.sync.envelope.message import Message, Plain, Still, not_a_message
from appliance.sync.envelope.told import told


class _Version(msgspec.Struct):
    schema: int = 1


def read_plain(data: bytes) -> Plain:
    """What a reader of schema 1 makes of any message. Raises ``invalid``."""
    try:
        plain = msgspec.json.decode(data, type=Plain)
        parse_rfc3339(plain.created_at)
    except (msgspec.DecodeError, UnicodeDecodeError, ApplianceError) as error:
        raise not_a_message(error) from None
    except RecursionError:
        raise not_a_message("it is nested too deeply") from None
    return plain


def read(data: bytes) -> Message:
    """A message of schema 1 or newer; of one newer than ours, what we know of it. Raises ``invalid``."""
    plain = read_plain(data)
    try:
        schema = msgspec.json.decode(data, type=_Version).schema
        if schema < 1:
            raise not_a_message(f"there is no schema {schema}")
        message = _of_plain(plain) if schema == 1 else msgspec.json.decode(data, type=Message)
    except msgspec.DecodeError as error:
        raise not_a_message(error) from None
    except RecursionError:
        raise not_a_message("it is nested too deeply") from None
    if message.source.device_id != message.device_id:
        raise not_a_message("it names two boxes as its source")
    return message


def picture(still: Still) -> bytes | None:
    """The bytes of an inline still; None: it is elsewhere. Raises ``invalid`` where they are damaged."""
    if still.data is None:
        return None
    try:
        data = base64.b64decode(still.data, validate=True)
    except binascii.Error as error:
        raise not_a_message(f"its still is no base64: {error}") from None
    if still.sha256 is not None and hashlib.sha256(data).hexdigest() != still.sha256:
        raise not_a_message("its still is damaged")
    return data


def _of_plain(plain: Plain) -> Message:
    known = told(plain.device_id, plain.created_at, bytes(plain.body))
    return Message(
        schema=1,
        device_id=plain.device_id,
        id=plain.id,
        kind=plain.kind,
        created_at=plain.created_at,
        source=known.source,
        frame=known.frame,
        detections=known.detections,
        still=known.still,
        body=plain.body,
    )
