"""The recipe and what is made of it, as far as no image need be built; the rest is `make image-test`."""

import re
import shutil
import tomllib
from pathlib import Path

import pytest

from appliance.base.errors import ApplianceError
from appliance.system.update import boot
from appliance.system.update.judging import key
from firmware import bill, image, recipe, root
from firmware.keys import of_the_bench
from firmware.life.material import VERSIONS

ROOT = Path(__file__).resolve().parents[2]
SYSTEM_CONF = (ROOT / "firmware/root/etc/rauc/system.conf").read_text()


def test_the_recipe_reads_and_says_what_is_wrong_with_another(tmp_path) -> None:
    made = recipe.read()
    assert "rauc" in made.debian() and list(made.debian()) == sorted(set(made.debian()))
    wrong = tmp_path / "image.toml"
    wrong.write_text((ROOT / "firmware/image.toml").read_text().replace("suite =", "suit ="))
    with pytest.raises(ApplianceError, match="suit"):
        recipe.read(wrong)


def test_the_mirror_is_the_environment_s(monkeypatch) -> None:
    monkeypatch.setenv("ARIES_APT_MIRROR", "http://mirror.test/debian/")
    assert [line.split()[1] for line in recipe.read().sources()] == [
        "http://mirror.test/debian", "http://mirror.test/debian", "http://mirror.test/debian-security"
    ]  # fmt: skip


def test_the_names_of_partitions_are_the_same_everywhere() -> None:
    names = set(re.findall(r"by-partlabel/(aries-\w+)", SYSTEM_CONF))
    assert names == {"aries-a", "aries-b"}
    grub = (ROOT / "firmware/boot/grub.cfg").read_text()
    assert set(re.findall(r"label=(aries-\w)", grub)) == names
    assert boot.STATE.name == "aries-state"
    repart = (ROOT / "firmware/root/usr/lib/repart.d/50-data.conf").read_text()
    assert image.DATA in repart and "aries-data" in repart
    script = (ROOT / "firmware/root/etc/initramfs-tools/scripts/init-bottom/aries").read_text()
    assert "by-partlabel/aries-data" in script


def test_a_slot_is_started_by_us_and_not_by_rauc_and_verity_alone_is_taken() -> None:
    assert "activate-installed=false" in SYSTEM_CONF and "bundle-formats=verity" in SYSTEM_CONF


def test_units_of_the_recipe_are_there() -> None:
    known = {path.name for path in (ROOT / "systemd").iterdir()}
    known |= {path.name for path in (ROOT / "firmware/root").rglob("*.service")}
    own = [name for name in recipe.read().enable.units if name.startswith(("aries", "appliance"))]
    assert own and not set(own) - known


def test_no_key_is_in_the_repository_s_image_files() -> None:
    for path in (ROOT / "firmware").rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            assert b"PRIVATE KEY-----" not in path.read_bytes(), path


def test_the_bill_names_packages_and_wheels_the_same_each_time(tmp_path) -> None:
    (tmp_path / "var/lib/dpkg").mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/status").write_text(
        "Package: zlib1g\nStatus: install ok installed\nVersion: 1:1.2.13\n\n"
        "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n"
    )
    (tmp_path / "usr/share/doc/zlib1g").mkdir(parents=True)
    (tmp_path / "usr/share/doc/zlib1g/copyright").write_text("Files: *\nLicense: Zlib\n")
    info = tmp_path / "opt/aries/lib/python3.11/site-packages/msgspec-0.19.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Name: msgspec\nVersion: 0.19\nLicense: BSD\n\nLicense: not this one\n")
    parts = [*bill.debian(tmp_path), *bill.wheels(tmp_path)]
    assert parts == [("deb", "zlib1g", "1:1.2.13", "Zlib"), ("pypi", "msgspec", "0.19", "BSD")]
    once, again = (bill.bill(recipe.read(), "1.0", parts) for _ in range(2))
    assert once == again and "pkg:deb/debian/zlib1g@1:1.2.13" in once and "timestamp" not in once


def test_what_a_wheel_s_command_says_of_the_builder_is_not_in_an_image(tmp_path) -> None:
    info = tmp_path / "segno-1.6.6.dist-info"
    info.mkdir()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/segno").write_text("#!/home/somebody/.venv/bin/python\n")
    (info / "RECORD").write_text("../../bin/segno,sha256=nMF3,171\nsegno/__init__.py,sha256=aa,3\n")
    root.forget_scripts(tmp_path)
    assert (info / "RECORD").read_text() == "segno/__init__.py,sha256=aa,3\n"
    assert not (tmp_path / "bin").exists()


def test_the_bench_s_versions_are_newer_one_after_the_other() -> None:
    numbers = [key(name) for name in VERSIONS]
    assert numbers == sorted(numbers) and all(numbers)


def test_what_is_said_of_jetson_reads() -> None:
    said = tomllib.loads((ROOT / "firmware/jetson.toml").read_text())
    assert said["not_tried"] and said["tried"]


def test_a_key_of_the_bench_is_made_once_and_said(tmp_path, capsys) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl in PATH: apt-get install openssl")
    made = of_the_bench(tmp_path)
    assert of_the_bench(tmp_path) == made and [path.exists() for path in made] == [True, True]
    assert made[0].parent.stat().st_mode & 0o077 == 0
    assert "for tests only" in "".join(capsys.readouterr())
