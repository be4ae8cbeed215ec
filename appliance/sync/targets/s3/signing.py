"""AWS Signature Version 4 in the Authorization header (IAM User Guide, "Create a signed AWS API request").

Every request carries the SHA-256 of its body inside the signature: the store refuses other bytes.
"""

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from appliance.base.clock import rfc3339
from appliance.sync.targets.s3.bucket import Bucket


def query_of(params: Mapping[str, str]) -> str:
    """Sorted and quoted as it is signed, so that it can be sent as it is."""
    return "&".join(f"{quote(name, safe='')}={quote(params[name], safe='')}" for name in sorted(params))


def signed_headers(
    bucket: Bucket, method: str, url: str, headers: Mapping[str, str], body: bytes, now_ns: int
) -> dict[str, str]:
    """``headers`` and what makes them believable. ``url`` is quoted already; its query is ``query_of``."""
    parts = urlsplit(url)
    stamp = rfc3339(now_ns)[:19].replace("-", "").replace(":", "") + "Z"
    digest = hashlib.sha256(body).hexdigest()
    known = {name.lower(): value.strip() for name, value in headers.items()}
    known |= {"host": parts.netloc, "x-amz-date": stamp, "x-amz-content-sha256": digest}
    names = ";".join(sorted(known))
    lines = "".join(f"{name}:{known[name]}\n" for name in sorted(known))
    canonical = f"{method}\n{parts.path or '/'}\n{parts.query}\n{lines}\n{names}\n{digest}"
    scope = f"{stamp[:8]}/{bucket.region}/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = b"AWS4" + bucket.secret.encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.new(key, text.encode(), "sha256").hexdigest()
    known["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={bucket.access_key_id}/{scope}, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    return known
