"""What a person fills in for a target of each kind: data, from which the screen makes its form.

The targets' own files judge what was filled in (``registry.check``); a test holds these fields against
their options, so that neither has one that the other lacks.
"""

import importlib.util
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from appliance.store.targets import Kind

FieldKind = Literal["text", "secret", "number", "choice", "pem"]


class Choice(msgspec.Struct, frozen=True):
    value: str
    label: str


class Field(msgspec.Struct, frozen=True):
    """``name``: ``url``, ``token``, ``ca`` or ``options.NAME``, as errors name it too. ``example``: what
    stands in the empty field; for an option what holds where it is left empty. ``rare``: most people leave
    it as it is."""

    name: str
    label: str
    kind: FieldKind = "text"
    hint: str = ""
    example: str = ""
    is_required: bool = False
    choices: tuple[Choice, ...] = ()
    rare: bool = False


class TargetKind(msgspec.Struct, frozen=True):
    """``package``: what has to be installed beside the box's own; empty: nothing. ``takes_files``: stills
    and clips can go there at all. ``by_enrolment``: made and readdressed by that alone."""

    kind: Kind
    name: str
    about: str
    fields: tuple[Field, ...]
    package: str = ""
    takes_files: bool = False
    by_enrolment: bool = False

    @property
    def is_installed(self) -> bool:
        """Whether this box can speak to such a target as it is now."""
        own = importlib.util.find_spec(f"appliance.sync.targets.{self.kind}")
        return own is not None and (not self.package or importlib.util.find_spec(self.package) is not None)


def _url(label: str, example: str, hint: str = "") -> Field:
    return Field("url", label, hint=hint, example=example, is_required=True)


def _token(label: str, hint: str = "", *, is_required: bool = False) -> Field:
    return Field("token", label, "secret", hint, is_required=is_required)


CA = Field(
    "ca",
    "Certificate authority (PEM)",
    "pem",
    "Only for a server that no public authority vouches for: it alone is believed then",
    rare=True,
)
USERNAME = Field("options.username", "User name", hint="Empty where the server asks for none")
PASSWORD = _token("Password")
MESSAGES = (
    Field(
        "options.schema",
        "Format of the messages",
        "choice",
        choices=(Choice("2", "2, the newest"), Choice("1", "1, for older readers")),
        rare=True,
    ),
    Field(
        "options.stills",
        "Pictures",
        "choice",
        choices=(Choice("none", "Not inside messages"), Choice("inline", "Inside messages, as base64")),
        rare=True,
    ),
    Field(
        "options.longest_bytes",
        "Longest message (bytes)",
        "number",
        "What is longer is put aside, with its reason",
        "1000000",
        rare=True,
    ),
)

KINDS: tuple[TargetKind, ...] = (
    TargetKind(
        "hub",
        "Hub",
        "The hub that this box is enrolled at: events, alerts, stills and clips.",
        (),
        takes_files=True,
        by_enrolment=True,
    ),
    TargetKind(
        "https",
        "Web address",
        "A program of yours that takes JSON over HTTPS: events and alerts, in batches.",
        (
            _url("Address", "https://cloud.example/ingest"),
            _token("Token", "Sent as Authorization: Bearer; empty where the server asks for none"),
            CA,
        ),
    ),
    TargetKind(
        "s3",
        "S3 bucket",
        "Any S3-compatible store: events as JSON lines, stills and clips as files.",
        (
            _url("Bucket", "s3://footage/site-7", "s3://, the bucket, and a folder in it if you like"),
            Field(
                "options.endpoint",
                "Server",
                hint="Empty for Amazon's own",
                example="https://minio.example:9000",
            ),
            Field("options.region", "Region", example="us-east-1"),
            Field("options.access_key_id", "Access key ID", is_required=True),
            _token("Secret access key", is_required=True),
            CA,
            MESSAGES[0],
            Field(
                "options.part_bytes",
                "Size of a part (bytes)",
                "number",
                "An upload that is cut goes on after its last whole part",
                "5242880",
                rare=True,
            ),
            MESSAGES[2],
        ),
        "obstore",
        takes_files=True,
    ),
    TargetKind(
        "mqtt",
        "MQTT broker",
        "A broker on site or elsewhere: each event is a message, delivered at least once (QoS 1).",
        (
            _url("Broker", "mqtts://broker.example:8883"),
            Field(
                "options.topic",
                "Topic",
                hint="{device_id}, {camera_id} and {kind} are replaced",
                example="aries/{device_id}/{camera_id}/{kind}",
            ),
            USERNAME,
            PASSWORD,
            CA,
            Field(
                "options.subscribers",
                "When nobody listens",
                "choice",
                "A broker throws away what nobody has subscribed to",
                choices=(Choice("required", "Keep it and try again"), Choice("any", "Count it as delivered")),
                rare=True,
            ),
            *MESSAGES,
        ),
        "aiomqtt",
    ),
    TargetKind(
        "redis",
        "Redis stream",
        "Entries of a Redis stream, oldest first.",
        (
            _url("Server", "rediss://redis.example:6379/0"),
            Field("options.stream", "Stream", example="aries"),
            USERNAME,
            PASSWORD,
            CA,
            Field(
                "options.maxlen",
                "Keep at most (entries)",
                "number",
                "Redis drops the oldest beyond that, read or not",
                "1000000",
                rare=True,
            ),
            *MESSAGES,
        ),
        "redis",
    ),
    TargetKind(
        "sqs",
        "Amazon SQS queue",
        "A queue of Amazon's, or of what speaks like it.",
        (
            _url("Queue", "https://sqs.eu-central-1.amazonaws.com/123456789012/events.fifo"),
            Field("options.access_key_id", "Access key ID", is_required=True),
            _token("Secret access key", is_required=True),
            Field("options.region", "Region", hint="Empty where the address names it"),
            CA,
            *MESSAGES[:2],
            msgspec.structs.replace(MESSAGES[2], example="261944"),
        ),
        "aiobotocore",
    ),
    TargetKind(
        "kafka",
        "Kafka topic",
        "Apache Kafka: each event is a message of one topic, in the order of this box.",
        (
            _url("Brokers", "kafka+ssl://broker.example:9093", "Several are separated by commas"),
            Field("options.topic", "Topic", example="aries"),
            USERNAME,
            PASSWORD,
            CA,
            Field(
                "options.mechanism",
                "How it signs in",
                "choice",
                choices=(
                    Choice("SCRAM-SHA-512", "SCRAM-SHA-512"),
                    Choice("SCRAM-SHA-256", "SCRAM-SHA-256"),
                    Choice("PLAIN", "PLAIN"),
                ),
                rare=True,
            ),
            *MESSAGES,
        ),
        "aiokafka",
    ),
    TargetKind(
        "pulsar",
        "Pulsar topic",
        "Apache Pulsar: each event is a message of one topic.",
        (
            _url("Broker", "pulsar+ssl://broker.example:6651"),
            Field("options.topic", "Topic", example="persistent://public/default/aries"),
            _token("Token", "Empty where the broker asks for none"),
            CA,
            *MESSAGES,
        ),
        "pulsar",
    ),
    TargetKind(
        "zmq",
        "ZeroMQ program",
        "A program of the site's own that answers each message.",
        (
            _url("Address", "tcp://192.168.1.50:5555"),
            Field(
                "options.server_key",
                "The program's public key (Z85)",
                hint="Needed for every machine but this one",
            ),
            _token("This box's secret key (Z85)", "Needed with the program's key"),
            *MESSAGES,
        ),
        "zmq",
    ),
    TargetKind(
        "directory",
        "Disk or USB stick",
        "Signed bundles that are carried to the hub by hand: for a box without any link.",
        (
            _url("Folder", "file:///media/usb"),
            Field("options.stick", "Stick", hint="The id in its marker; empty: any that is there"),
            MESSAGES[0],
            msgspec.structs.replace(MESSAGES[2], example="60000"),
            Field(
                "options.resend_days",
                "Write again after (days)",
                "number",
                "What has no receipt of the hub by then; 0: never, the disk is the archive",
                "0",
                rare=True,
            ),
        ),
        takes_files=True,
    ),
)
BY_KIND: dict[str, TargetKind] = {kind.kind: kind for kind in KINDS}


def target_values(target: Mapping[str, Any]) -> dict[str, str]:
    """A target as the API shows it, by the names of its fields; its token is not among them."""
    values = {"url": target["url"], "ca": target["ca"] or ""}
    return values | {f"options.{name}": value for name, value in target["options"].items()}
