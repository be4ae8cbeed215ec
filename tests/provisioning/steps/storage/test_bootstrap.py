"""appliance.toml: one key is changed, all else is as a person left it."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.base.errors import ApplianceError
from provisioning.steps.storage import bootstrap

WHERE = ("/var/lib/aries-volumes/A", '/mnt/a "b"\\c')


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# a box\nlog_level = 'info'  # as usual",
        'volumes = "/a:/b"   # old\nlisten = "0.0.0.0:8443"\n',
        "volumes = [\n  '/a', # first\n  '/b#c',\n] # two\nlog_level = 'info'\n",
        "log_level = 'info'\n[tls]\ncert = 'volumes = 1'\nkey = 'b'\n",
        '# volumes = ["/x"]\n"volumes" = ["/a"]\n[tls]\ncert = "c"\nkey = "k"\n',
    ],
)
def test_only_its_own_key_changes_and_comments_stay(text):
    changed = bootstrap.with_volumes(text, WHERE)
    assert tomllib.loads(changed) == tomllib.loads(text) | {"volumes": list(WHERE)}
    for line in text.splitlines():
        if "volumes" not in line and line[:1] not in " ]" and line.strip():
            assert line in changed.splitlines()
    assert bootstrap.with_volumes(changed, WHERE) == changed
    for comment in ("# a box", "# as usual", "# old", "# two"):
        assert (comment in text) == (comment in changed)


LINE = st.sampled_from(
    [
        "# note",
        'log_level = "info"',
        "",
        'volumes = ["/a"] # c',
        "[tls]",
        'cert = "volumes"',
        "volumes = [",
        '"/b"]',
        "x = '''",
        "'''",
    ]
)


@given(
    st.lists(LINE, max_size=7),
    st.lists(st.text("ab/\\\"'# é", min_size=1, max_size=6), min_size=1, max_size=3),
)
def test_whatever_stands_there(lines, paths):
    text = "\n".join(lines)
    try:
        before = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        with pytest.raises(ApplianceError):
            bootstrap.with_volumes(text, paths)
        return
    assert tomllib.loads(bootstrap.with_volumes(text, paths)) == before | {"volumes": paths}


def test_the_file_stays_the_daemon_s(tmp_path):
    path = tmp_path / "appliance.toml"
    path.write_text('log_level = "info"\n')
    path.chmod(0o640)
    bootstrap.write(tmp_path, bootstrap.with_volumes(bootstrap.read(tmp_path), ["/a"]))
    assert path.stat().st_mode & 0o777 == 0o640
    assert bootstrap.volumes(tmp_path) == ("/a",)
