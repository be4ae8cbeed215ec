"""mDNS, heard by a client of its own on loopback."""

import asyncio
from socket import AF_INET, inet_ntop

from zeroconf import IPVersion
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from provisioning.announce import SERVICE, Announcement


async def test_the_box_is_found_by_its_name():
    announcement = Announcement("aries-test", 8443)
    await announcement.follow(("127.0.0.1",))
    client = AsyncZeroconf(interfaces=["127.0.0.1"], ip_version=IPVersion.V4Only)
    try:
        found = AsyncServiceInfo(SERVICE, f"aries-test.{SERVICE}")
        assert await found.async_request(client.zeroconf, 3000)
        assert found.port == 8443 and found.server == "aries-test.local."
        assert [inet_ntop(AF_INET, address) for address in found.addresses] == ["127.0.0.1"]
        before = announcement._zeroconf
        await announcement.follow(("127.0.0.1",))
        assert announcement._zeroconf is before  # nothing new, nothing said
    finally:
        await announcement.close()
        await asyncio.sleep(0)
        await client.async_close()
    await announcement.close()
