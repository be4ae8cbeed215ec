from appliance.base.model import CameraStatus
from appliance.daemon.health import camera_findings


def test_what_every_stranger_may_read_of_the_cameras_is_how_many():
    found = camera_findings(
        [
            CameraStatus("recording", 0),
            CameraStatus("offline", 0, last_error="no route to 10.0.0.9"),
            CameraStatus("auth_failed", 0),
            CameraStatus("live", 0, last_error="the disk is full"),
            CameraStatus("disabled", 0),
        ]
    )
    detail = "2 of 4 cameras have a picture; 1 auth failed; 1 not recorded; 1 offline"
    assert found == [("cameras", "degraded", detail)]
    assert camera_findings([CameraStatus("live", 0)]) == [("cameras", "ok", "1 of 1 cameras have a picture")]
