import string
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appliance.base import config
from appliance.base.errors import ApplianceError


def load(text: str | None = None, folder: Path | None = None, environ=None, **overrides) -> config.Config:
    if text is not None and folder is not None:
        (folder / "appliance.toml").write_text(text)
    return config.load(environ or {}, data_dir=folder or "/srv/box", overrides=overrides)


def test_an_empty_folder_has_the_contract_s_defaults():
    found = load()
    assert found.data_dir == Path("/srv/box")
    assert found.volumes == (Path("/srv/box/recordings"),)
    assert found.models_path == Path("/srv/box/models")
    assert str(found.listen) == "0.0.0.0:8443"
    assert (found.tls, found.log_level, found.site_timezone) == ("auto", "info", None)
    assert (found.durability_s, found.segment_s, found.allow_file_sources) == (1.0, 60.0, False)
    assert not found.plain_http


def test_the_file_that_init_writes_reads_as_the_defaults(tmp_path):
    assert load(config.default_file(), tmp_path) == load(folder=tmp_path)


def test_the_file_that_init_writes_shows_values_that_are_valid(tmp_path):
    text = config.default_file().replace("DIR", str(tmp_path))
    shown = "\n".join(
        line.removeprefix("# ") for line in text.splitlines() if " = " in line and "{" not in line
    )
    found = load(shown, tmp_path)
    assert found.volumes == (tmp_path / "recordings",)
    assert found.assets_path == (Path("/opt/assets"),)


def test_a_variable_wins_over_the_file_and_the_command_line_over_both(tmp_path):
    text = 'listen = "1.1.1.1:1"\nsegment_s = 5\ndurability_s = 2'
    environ = {"APPLIANCE_LISTEN": "2.2.2.2:2", "APPLIANCE_SEGMENT_S": "6"}
    found = load(text, tmp_path, environ, listen="127.0.0.1:0")
    assert (str(found.listen), found.segment_s, found.durability_s) == ("127.0.0.1:0", 6.0, 2.0)


def test_every_key_has_a_variable(tmp_path):
    cert, key = tmp_path / "c.pem", tmp_path / "k.pem"
    cert.touch()
    key.touch()
    environ = {
        "APPLIANCE_DATA_DIR": str(tmp_path),
        "APPLIANCE_VOLUMES": "/mnt/a:/mnt/b",
        "APPLIANCE_LISTEN": "[::1]:9",
        "APPLIANCE_TLS": f"{cert}:{key}",
        "APPLIANCE_LOG_LEVEL": "DEBUG",
        "APPLIANCE_SITE_TIMEZONE": "Europe/Berlin",
        "APPLIANCE_ALLOW_FILE_SOURCES": "yes",
        "APPLIANCE_DURABILITY_S": "0.5",
        "APPLIANCE_SEGMENT_S": "2",
        "APPLIANCE_MODELS_PATH": "/opt/models",
        "APPLIANCE_ASSETS_PATH": "/opt/a:/opt/b",
        "APPLIANCE_SECRET_PATH": "/run/box.key",
        "APPLIANCE_STATE_LED": "/sys/class/leds/status",
        "APPLIANCE_STATE_RELAY": "/sys/class/gpio/gpio17",
    }
    assert {name.removeprefix("APPLIANCE_").lower() for name in environ} == set(config._PARSERS)
    found = config.load(environ)
    assert found == config.Config(
        data_dir=tmp_path,
        volumes=(Path("/mnt/a"), Path("/mnt/b")),
        models_path=Path("/opt/models"),
        listen=config.Listen("::1", 9),
        tls=config.TlsFiles(cert, key),
        log_level="debug",
        site_timezone="Europe/Berlin",
        allow_file_sources=True,
        durability_s=0.5,
        segment_s=2.0,
        assets_path=(Path("/opt/a"), Path("/opt/b")),
        secret_path=Path("/run/box.key"),
        state_led=Path("/sys/class/leds/status"),
        state_relay=Path("/sys/class/gpio/gpio17"),
    )


@pytest.mark.parametrize(
    ("text", "field", "nearest"),
    [
        ("listn = 1", "listn", "listen"),
        ("segments = 1", "segments", "segment_s"),
        ("[tlss]", "tlss", "tls"),
    ],
)
def test_an_unknown_key_names_the_nearest_known_one(tmp_path, text, field, nearest):
    with pytest.raises(ApplianceError) as refused:
        load(text, tmp_path)
    assert refused.value.kind == "invalid"
    assert refused.value.field == field
    assert nearest in refused.value.hint


def test_an_unknown_variable_names_the_nearest_known_one():
    with pytest.raises(ApplianceError) as refused:
        load(environ={"APPLIANCE_LISTEM": "127.0.0.1:1"})
    assert (refused.value.kind, refused.value.field) == ("invalid", "APPLIANCE_LISTEM")
    assert "APPLIANCE_LISTEN" in refused.value.hint


@pytest.mark.parametrize(
    "text",
    [
        'listen = "8443"',
        'listen = ":8443"',
        'listen = "::1:8443"',
        'listen = "0.0.0.0:65536"',
        'listen = "0.0.0.0:http"',
        "listen = 8443",
        'tls = "maybe"',
        'tls = { cert = "/nope.pem", key = "/nope.key" }',
        'tls = { cert = "/nope.pem" }',
        "tls = true",
        'log_level = "loud"',
        'site_timezone = "Mars/Olympus"',
        'site_timezone = "../../etc/passwd"',
        'allow_file_sources = "maybe"',
        "allow_file_sources = 1",
        'durability_s = "soon"',
        "durability_s = 0",
        "durability_s = nan",
        "durability_s = true",
        "segment_s = 1e9",
        "segment_s = []",
        "volumes = []",
        "volumes = [1]",
        'volumes = ["/a", "/a"]',
        "models_path = 3",
        'models_path = ""',
        "assets_path = { a = 1 }",
        'data_dir = "\\u0000"',
    ],
)
def test_a_wrong_value_names_its_field_and_what_is_right(tmp_path, text):
    file = tmp_path / "my.toml"
    file.write_text(text)
    with pytest.raises(ApplianceError) as refused:
        config.load({}, config_file=file)
    assert refused.value.kind == "invalid"
    assert refused.value.field == text.split(" ")[0]
    assert refused.value.hint
    assert str(file) in refused.value.message


def test_paths_in_a_file_start_from_its_folder(tmp_path):
    (tmp_path / "my.toml").write_text('data_dir = "box"\nvolumes = ["disk"]')
    found = config.load({}, config_file=tmp_path / "my.toml")
    assert (found.data_dir, found.volumes) == (tmp_path / "box", (tmp_path / "disk",))


@pytest.mark.parametrize("content", [b"listen = ", b"\xff\xfe", b"[[["])
def test_a_file_that_is_not_toml_is_refused(tmp_path, content):
    (tmp_path / "appliance.toml").write_bytes(content)
    with pytest.raises(ApplianceError, match="is not TOML"):
        load(folder=tmp_path)


def test_a_config_file_that_is_missing_is_refused(tmp_path):
    with pytest.raises(ApplianceError) as refused:
        config.load({}, data_dir=tmp_path, config_file=tmp_path / "none.toml")
    assert refused.value.field == "config"


def test_no_data_directory_is_refused():
    with pytest.raises(ApplianceError) as refused:
        config.load({})
    assert refused.value.field == "data_dir"


@pytest.mark.parametrize(
    ("tls", "listen", "plain"),
    [
        ("auto", "0.0.0.0:1", False),
        ("auto", "127.0.0.1:1", True),
        ("auto", "localhost:1", True),
        ("auto", "[::1]:1", True),
        ("auto", "box.example:1", False),
        ("off", "0.0.0.0:1", True),
    ],
)
def test_auto_means_tls_except_on_loopback(tls, listen, plain):
    assert load(tls=tls, listen=listen).plain_http is plain


@example("~0", "assets_path")
@given(st.text(string.printable, max_size=30), st.sampled_from(sorted(config._PARSERS)))
def test_any_text_in_any_variable_is_a_value_or_a_named_refusal(text, key):
    try:
        load(environ={f"APPLIANCE_{key.upper()}": text})
    except ApplianceError as error:
        assert error.kind == "invalid"
        assert error.field == key
        assert error.hint
