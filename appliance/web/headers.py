"""Headers that every answer carries: nothing is framed, sniffed, or fetched from elsewhere."""

from aiohttp import web

# blob: and data: are for pictures and media that our own scripts make; MSE plays from a blob.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
ONE_YEAR_S = 31_536_000
SCANS = "/settings/connections"  # reads a hub's QR code with the telephone's camera


async def secure(request: web.Request, response: web.StreamResponse) -> None:
    """An ``on_response_prepare`` signal, so that streams and files get them too."""
    headers = response.headers
    headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("X-Frame-Options", "DENY")
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    camera = "self" if request.path == SCANS else ""
    headers.setdefault("Permissions-Policy", f"camera=({camera}), microphone=(), geolocation=()")
    if request.path.startswith("/static/"):
        # Modules import one another by plain names: each is asked for again (304 by its ETag), so
        # that an update never mixes old and new ones.
        headers.setdefault("Cache-Control", "no-cache")
    if request.secure:
        headers.setdefault("Strict-Transport-Security", f"max-age={ONE_YEAR_S}")
    headers["Server"] = "Aries Edge"
