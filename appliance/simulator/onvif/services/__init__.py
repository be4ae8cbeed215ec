"""What a camera answers, one file per service; ``ANSWERS`` is all of it: (service, operation) -> answer.

An answer takes the camera and the request's element and gives the node that goes into the body. It
raises ``Refused`` for what the camera cannot do. ``OPEN`` needs no password (ONVIF Core, 5.9.1.2).
"""

from appliance.simulator.onvif.services import clock, deviceio, events, identity, imaging, media, media2, ptz
from appliance.simulator.onvif.services.asked import Answer

ANSWERS: dict[tuple[str, str], Answer] = {
    (service, name): answer
    for service, answers in (
        ("tds", clock.ANSWERS | identity.ANSWERS | deviceio.OF_DEVICE),
        ("trt", media.ANSWERS),
        ("tr2", media2.ANSWERS),
        ("timg", imaging.ANSWERS),
        ("tptz", ptz.ANSWERS),
        ("tmd", deviceio.ANSWERS),
        ("tev", events.ANSWERS),
        ("wsnt", events.OF_SUBSCRIPTIONS),
    )
    for name, answer in answers.items()
}
OPEN = frozenset({"GetSystemDateAndTime", "GetHostname", "GetServiceCapabilities"})
OPEN_MOSTLY = frozenset({"GetCapabilities", "GetServices"})  # some makers ask all the same
