"""From a camera's address to an open ``Source``."""

from urllib.parse import urlsplit

from appliance.base.model import Credentials
from appliance.media.camera.certificate import Pinned
from appliance.media.camera.libav import open_libav
from appliance.media.camera.rtsp.camera import open_camera
from appliance.media.camera.source import OPEN_TIMEOUT_S, Source, SourceFault


def connect(
    url: str,
    credentials: Credentials | None,
    *,
    open_timeout_s: float = OPEN_TIMEOUT_S,
    pinned: Pinned | None = None,
) -> Source:
    """Open ``url``; blocks up to ``open_timeout_s``. Raises ``SourceFault``.

    ``pinned``: the certificate that an ``rtsps`` camera showed first, and where to keep it.
    """
    try:
        scheme = urlsplit(url).scheme
    except ValueError:
        raise SourceFault("camera_offline", "the URL is none: [ and ] stand around IPv6 addresses") from None
    if scheme in ("rtsp", "rtsps"):
        return open_camera(url, credentials, open_timeout_s, pinned)
    return open_libav(url, credentials, open_timeout_s)
