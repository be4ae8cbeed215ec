"""answers.toml: every key known, secrets from elsewhere, an example that is whole."""

import re
import tomllib

import pytest
from msgspec import inspect

from appliance.base.errors import ApplianceError
from appliance.base.redaction import redact
from provisioning import steps
from provisioning.answers import Reader
from provisioning.wizard import available


@pytest.fixture
def read(tmp_path):
    """``read(text)`` -> (answers, warnings)."""

    def reading(text: str, mode: int = 0o600, **environ: str):
        path = tmp_path / "answers.toml"
        path.write_text(text)
        path.chmod(mode)
        warnings: list[str] = []
        return Reader(environ, warnings.append).read(path), warnings

    return reading


def refused(read, text: str, **environ: str) -> ApplianceError:
    with pytest.raises(ApplianceError) as caught:
        read(text, **environ)
    assert caught.value.kind == "invalid"
    return caught.value


def test_sections_come_in_the_steps_order(read, tiny):
    found, warnings = read('[middle]\nword = "b"\n[administrator]\nword = "a"\n')
    assert list(found.given) == ["administrator", "middle"] and found.given["middle"].word == "b"
    assert not found.go_on and warnings == []


def test_what_is_unknown_names_the_nearest(read, tiny):
    error = refused(read, "[midle]\n")
    assert error.field == "midle" and "'middle'" in error.hint
    error = refused(read, '[middle]\nwrod = "x"\n')
    assert error.field == "middle.wrod" and "'word'" in error.hint
    error = refused(read, '[middle]\nparts = [{label = "x"}, {lable = "x"}]\n')
    assert error.field == "middle.parts[1].lable" and "'label'" in error.hint
    assert "'go_on'" in refused(read, "goon = true\n").hint


def test_a_wrong_kind_names_its_place(read, tiny):
    assert refused(read, "[middle]\nword = 5\n").field == "middle.word"
    assert refused(read, "middle = 5\n").field == "middle"
    assert refused(read, '[middle]\nparts = [{token = "x"}]\n').field == "middle.parts[0].label"
    assert refused(read, 'go_on = "yes"\n').field == "go_on"
    assert "TOML" in refused(read, "[middle\n").message


def test_a_secret_from_a_file_or_a_variable(read, tiny, tmp_path):
    secret = tmp_path / "pw"
    secret.write_text("the first line\r\nanother\n")
    secret.chmod(0o600)
    text = f'[middle]\npassword_file = "{secret}"\nparts = [{{label = "x", token_env = "TOK"}}]\n'
    found, warnings = read(text, TOK="from outside")
    assert found.given["middle"].password == "the first line" and warnings == []
    assert found.given["middle"].parts[0].token == "from outside"
    assert "from outside" not in redact("it was from outside")


def test_a_secret_that_others_can_read_is_warned_of(read, tiny, tmp_path):
    secret = tmp_path / "pw"
    secret.write_text("x")
    secret.chmod(0o644)
    _, warnings = read(f'[middle]\npassword_file = "{secret}"\n')
    assert len(warnings) == 1 and str(secret) in warnings[0] and "0644" in warnings[0]
    _, warnings = read('[middle]\npassword = "in the open"\nword = "x"\n', mode=0o640)
    assert len(warnings) == 1 and "middle.password" in warnings[0] and "in the open" not in warnings[0]
    assert read('[middle]\nword = "x"\n', mode=0o644)[1] == []


def test_secrets_that_are_not_there(read, tiny, tmp_path):
    assert refused(read, '[middle]\npassword_file = "/nowhere/x"\n').field == "middle.password_file"
    assert refused(read, '[middle]\npassword_env = "NOPE"\n').field == "middle.password_env"
    twice = f'[middle]\npassword = "a"\npassword_file = "{tmp_path}"\n'
    assert refused(read, twice).field == "middle.password_file"
    (tmp_path / "bin").write_bytes(b"\xff\xfe")
    assert "UTF-8" in refused(read, f'[middle]\npassword_file = "{tmp_path}/bin"\n').message


EXAMPLE = "provisioning/answers.example.toml"


def test_the_example_is_read(root, read, tmp_path):
    """As it stands, and with every commented answer in force."""
    text = (root / EXAMPLE).read_text()
    (tmp_path / "admin").write_text("a walk in the harbour\n")
    text = text.replace("/run/secrets/aries-admin", str(tmp_path / "admin"))
    found, _ = read(text)
    assert found.given["administrator"].password == "a walk in the harbour"
    every = re.sub(r"^# (?=[a-z0-9_]+ = |\[)", "", text, flags=re.MULTILINE)
    every = re.sub(r"^password_file = .*$", "", every, flags=re.MULTILINE)
    found, _ = read(every)
    assert set(found.given) == set(available())


@pytest.mark.parametrize("name", available())
def test_every_answer_is_in_the_example_with_its_comment(root, name):
    text = (root / EXAMPLE).read_text()
    every = re.sub(r"^# (?=[a-z0-9_]+ = |\[)", "", text, flags=re.MULTILINE)
    table = tomllib.loads(every)
    assert name in table, f"[{name}] is missing"
    _has_all(inspect.type_info(steps.load(name).given), table[name], name)
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if re.match(r"(# )?[a-z0-9_]+ = ", line):
            above = lines[number - 1]
            assert above.startswith("#") or re.match(r"[a-z0-9_]+ = ", above), (
                f"line {number + 1} is not explained"
            )


def _has_all(kind, table, at: str) -> None:
    if isinstance(kind, inspect.UnionType):
        kind = next((one for one in kind.types if isinstance(one, inspect.StructType)), kind)
    if isinstance(kind, inspect.ListType | inspect.VarTupleType):
        if isinstance(kind.item_type, inspect.StructType):
            for row in table[:1]:
                _has_all(kind.item_type, row, f"{at}[0]")
        return
    if not isinstance(kind, inspect.StructType):
        return
    for field in kind.fields:
        assert field.encode_name in table, f"{at}.{field.encode_name} is missing"
        _has_all(field.type, table[field.encode_name], f"{at}.{field.encode_name}")
