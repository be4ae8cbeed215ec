"""Health and age out of smartctl's JSON: three disks' answers, shortened, and what is no answer."""

import json

from hypothesis import given
from hypothesis import strategies as st

from appliance.system.disks.found import Health
from appliance.system.disks.health import from_smartctl

SATA = {
    "smart_status": {"passed": True},
    "power_on_time": {"hours": 21_034},
    "temperature": {"current": 38},
    "ata_smart_attributes": {
        "table": [
            {"id": 5, "name": "Reallocated_Sector_Ct", "raw": {"value": 8}},
            {"id": 9, "name": "Power_On_Hours", "raw": {"value": 21_034}},
            {"id": 197, "name": "Current_Pending_Sector", "raw": {"value": 1}},
        ]
    },
}
NVME = {
    "smart_status": {"passed": False},
    "power_on_time": {"hours": 12},
    "temperature": {"current": 51},
    "nvme_smart_health_information_log": {"percentage_used": 104, "media_errors": 3},
}
ASLEEP = {
    "smartctl": {"messages": [{"string": "Device is in STANDBY mode, exit(2)", "severity": "information"}]}
}


def test_three_disks():
    assert from_smartctl(json.dumps(SATA)) == Health(True, 21_034, 38, None, 9)
    assert from_smartctl(json.dumps(NVME)) == Health(False, 12, 51, 104, 3)
    asleep = from_smartctl(json.dumps(ASLEEP))
    assert asleep.passed is None and "STANDBY" in asleep.why


WORDS = st.sampled_from([*SATA, *NVME, *ASLEEP, "id", "raw", "value", "passed", "table", "messages"])
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)


@given(VALUE)
def test_any_json_is_an_answer_or_none(value):
    found = from_smartctl(json.dumps(value))
    assert found.passed in (True, False, None)


def test_no_json_is_no_answer():
    assert from_smartctl("").passed is None
    assert from_smartctl("smartctl 7.3\n").why
