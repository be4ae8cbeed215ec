"""What is said before a target is stored, by kind; and what a target costs whose library is not there."""

import ssl
import subprocess
import sys

import pytest

from appliance.base.clock import ManualClock
from appliance.base.errors import ApplianceError
from appliance.store.targets import Target
from appliance.sync.address import validate
from appliance.sync.targets import registry
from appliance.sync.targets.checks import words
from appliance.sync.targets.given import Given

Z85 = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
S3 = {"access_key_id": "AKIATEST"}
SQS = S3 | {"region": "eu-central-1"}
QUEUE = "https://sqs.eu-central-1.amazonaws.com/123456789012/events.fifo"

GOOD = [
    ("mqtt", "mqtts://broker.example", {}, None),
    ("mqtt", "mqtts://10.0.0.1:8884", {"username": "box", "topic": "a/{kind}/{camera_id}"}, "pw"),
    ("mqtt", "mqtt://127.0.0.1:1883", {"schema": "1", "stills": "inline", "longest_bytes": "5000"}, None),
    ("redis", "rediss://redis.example:6380/3", {"username": "box", "maxlen": "10"}, "pw"),
    ("redis", "redis://localhost", {}, None),
    ("kafka", "kafka+ssl://a.example:9093,b.example", {"topic": "a.b-c_d"}, None),
    ("pulsar", "pulsar+ssl://a.example", {"topic": "persistent://public/default/x"}, "token"),
    ("sqs", QUEUE, S3, "secret"),
    ("sqs", "http://127.0.0.1:5000/1/q", SQS, "secret"),
    ("zmq", "tcp://10.0.0.1:5555", {"server_key": Z85}, Z85),
    ("zmq", "tcp://127.0.0.1:5555", {}, None),
    ("s3", "s3://bucket/a/b", S3, "secret"),
    ("s3", "s3://bucket", S3 | {"endpoint": "https://minio.example:9000", "part_bytes": "8388608"}, "secret"),
    ("directory", "file:///media/usb%20stick", {"stick": "s-1"}, None),
    ("https", "https://cloud.example/in", {}, "token"),
]


@pytest.mark.parametrize(("kind", "url", "options", "secret"), GOOD)
def test_good_ones(kind, url, options, secret):
    validate(Target("out", url, kind, options=options), secret)


NOWHERE = (
    "",
    "a",
    "https://",
    "ftp://a",
    "mqtts://",
    "tcp://a b:1",
    "x" * 3_000,
    "rediss://a:99999/",
    "s3://A/",
)
BAD = [
    # another machine without encryption
    ("mqtt", "mqtt://broker.example", {}, None, "url"),
    ("redis", "redis://10.0.0.1", {}, None, "url"),
    ("kafka", "kafka://127.0.0.1,10.0.0.1", {}, None, "url"),
    ("pulsar", "pulsar://10.0.0.1", {}, None, "url"),
    ("sqs", "http://10.0.0.1/1/q", SQS, "s", "url"),
    ("s3", "s3://bucket", S3 | {"endpoint": "http://10.0.0.1"}, "s", "options.endpoint"),
    ("zmq", "tcp://10.0.0.1:5555", {}, None, "options.server_key"),
    # passwords that would be shown
    ("mqtt", "mqtts://box:hush-hush@broker.example", {}, None, "url"),
    ("kafka", "kafka+ssl://box:hush-hush@a,b", {}, None, "url"),
    ("s3", "s3://key:hush-hush@bucket", S3, "s", "url"),
    # half of a name and password
    ("mqtt", "mqtts://a", {"username": "box"}, None, "token"),
    ("redis", "rediss://a", {"username": "box"}, None, "token"),
    ("kafka", "kafka+ssl://a", {"username": "box"}, None, "token"),
    ("sqs", QUEUE, S3, None, "token"),
    ("s3", "s3://bucket", S3, None, "token"),
    ("zmq", "tcp://a:1", {"server_key": Z85}, "short", "token"),
    # options
    ("mqtt", "mqtts://a", {"topik": "x"}, None, "options"),
    ("mqtt", "mqtts://a", {"topic": "a/#"}, None, "options.topic"),
    ("mqtt", "mqtts://a", {"topic": "a/{camera}"}, None, "options.topic"),
    ("mqtt", "mqtts://a", {"topic": "$SYS/a"}, None, "options.topic"),
    ("mqtt", "mqtts://a", {"schema": "3"}, None, "options.schema"),
    ("redis", "rediss://a", {"maxlen": "0"}, None, "options.maxlen"),
    ("redis", "rediss://a", {"maxlen": "many"}, None, "options.maxlen"),
    ("kafka", "kafka+ssl://a", {"topic": "a b"}, None, "options.topic"),
    ("kafka", "kafka+ssl://a", {"mechanism": "GSSAPI"}, None, "options.mechanism"),
    ("pulsar", "pulsar+ssl://a", {"topic": "a/b"}, None, "options.topic"),
    ("sqs", QUEUE, {}, "s", "options.access_key_id"),
    ("sqs", "https://queue.example/1/q", S3, "s", "options.region"),
    ("s3", "s3://bucket", S3 | {"part_bytes": "1000"}, "s", "options.part_bytes"),
    ("s3", "s3://bucket", S3 | {"endpoint": "minio"}, "s", "options.endpoint"),
    ("zmq", "tcp://a:1", {"server_key": "x"}, Z85, "options.server_key"),
    # addresses
    *[(kind, url, {}, None, "url") for url in NOWHERE
      for kind in ("mqtt", "redis", "kafka", "pulsar", "zmq", "sqs", "s3", "directory")],
    ("redis", "rediss://a/x", {}, None, "url"),
    ("redis", "rediss://a,b", {}, None, "url"),
    ("redis", "rediss://a/0?ssl_cert_reqs=none", {}, None, "url"),
    ("mqtt", "mqtts://a/b", {}, None, "url"),
    ("zmq", "tcp://127.0.0.1", {}, None, "url"),
    ("sqs", "https://sqs.eu-central-1.amazonaws.com/q", S3, "s", "url"),
    ("s3", "s3://bucket/../x y", S3, "s", "url"),
    ("s3", "s3://bucket//x", S3, "s", "url"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "url", "options", "secret", "field"), BAD)
def test_bad_ones_name_the_field_and_repeat_no_password(kind, url, options, secret, field):
    with pytest.raises(ApplianceError) as caught:
        validate(Target("out", url, kind, options=options), secret)
    assert (caught.value.kind, caught.value.field) == ("invalid", field)
    assert caught.value.hint and "hush-hush" not in str(caught.value)


def test_a_name_that_was_mistyped_is_proposed():
    with pytest.raises(ApplianceError) as caught:
        validate(Target("out", "mqtts://a", "mqtt", options={"usernam": "x"}))
    assert "username" in caught.value.hint


EXTRAS = {"mqtt": "aiomqtt", "redis": "redis", "kafka": "aiokafka", "sqs": "aiobotocore", "pulsar": "pulsar",
          "zmq": "zmq", "s3": "obstore"}  # fmt: skip


@pytest.mark.parametrize("kind", EXTRAS)
def test_a_missing_extra_is_named(kind, tmp_path, monkeypatch):
    for name in [EXTRAS[kind], *sys.modules]:
        if name.split(".")[0] == EXTRAS[kind]:
            monkeypatch.setitem(sys.modules, name, None)
    url, options, secret = next(each[1:] for each in GOOD if each[0] == kind)
    target = Target("out", url, kind, options=options)
    tls = ssl.create_default_context()
    with pytest.raises(ApplianceError) as caught:
        registry.make(Given(target, secret, tls, "box-1", ManualClock(), None, tmp_path))
    assert caught.value.kind == "unavailable" and f"aries-edge[{kind}]" in caught.value.hint


def test_what_is_not_used_is_not_loaded(root):
    program = (
        "import sys\n"
        "from appliance.store.targets import Target\n"
        "from appliance.sync.targets import registry\n"
        f"for kind, url, options, secret in {GOOD!r}:\n"
        "    registry.check(Target('out', url, kind, options=options), secret)\n"
        f"print(sorted(set({list(EXTRAS.values())!r} + ['botocore', 'paho']) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_words_are_one_short_line_without_credentials():
    error = OSError("amqp://box:pw@host\nrefused: the-Secret-key-9")
    assert (
        words(error, "the-Secret-key-9")
        == "the target cannot be used: amqp://…@host refused: … (check the address and what is set for it)"
    )
    assert len(words("x" * 1_000)) == 300
