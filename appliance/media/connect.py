"""From a camera's address to an open ``Source``."""

from urllib.parse import urlsplit

from appliance.base.model import Credentials
from appliance.media.certificate import Pinned
from appliance.media.libav import open_libav
from appliance.media.rtsp.camera import open_camera
from appliance.media.source import OPEN_TIMEOUT_S, Source


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
    if urlsplit(url).scheme in ("rtsp", "rtsps"):
        return open_camera(url, credentials, open_timeout_s, pinned)
    return open_libav(url, credentials, open_timeout_s)
