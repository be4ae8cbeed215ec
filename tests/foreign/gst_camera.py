#!/usr/bin/python3
"""An RTSP camera that is not ours: gst-rtsp-server, run with Debian's Python (which has ``gi``).

    gst_camera.py FILE [--mounts N] [--fps F] [--codec h264|h265] [--user U --password P]
                  [--certificate PEM] [--frames N] [--once]

Serves the access units of FILE (an MP4) in a loop at /cam0, /cam1 ... over TCP, and prints one JSON
line: {"port": N}. ``--frames``: the stream ends after so many; with ``--once`` the camera is not there
any more then. Uses nothing of the project.
"""

import argparse
import json
from collections.abc import Callable

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
gi.require_version("GstRtsp", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402


def access_units(path: str, codec: str) -> list[tuple[bytes, int, int]]:
    """(access unit, presentation, decode time in ns) as the file has them."""
    caps = f"video/x-{codec},stream-format=byte-stream,alignment=au"
    pipeline = Gst.parse_launch(
        f"filesrc location={path} ! qtdemux ! {codec}parse config-interval=-1 ! {caps} ! "
        "appsink name=out sync=false max-buffers=0"
    )
    pipeline.set_state(Gst.State.PLAYING)
    sink, units = pipeline.get_by_name("out"), []
    while (sample := sink.emit("pull-sample")) is not None:
        buffer = sample.get_buffer()
        units.append((buffer.extract_dup(0, buffer.get_size()), buffer.pts, buffer.dts))
    pipeline.set_state(Gst.State.NULL)
    return units


class Camera(GstRtspServer.RTSPMediaFactory):
    def __init__(
        self,
        units: list[tuple[bytes, int, int]],
        codec: str,
        fps: float,
        frames: int,
        gone: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__()
        self._units, self._fps, self._frames, self._gone = units, fps, frames, gone
        self.set_shared(True)
        self.set_protocols(GstRtsp.RTSPLowerTrans.TCP)
        caps = f"video/x-{codec},stream-format=byte-stream,alignment=au"
        self.set_launch(
            f'( appsrc name=source is-live=true do-timestamp=false format=time caps="{caps}" ! '
            f"{codec}parse config-interval=-1 ! rtp{codec}pay name=pay0 pt=96 )"
        )

    def do_configure(self, media: GstRtspServer.RTSPMedia) -> None:
        source = media.get_element().get_child_by_name("source")
        frame_ns = Gst.SECOND / self._fps
        length_ns = int(len(self._units) * frame_ns)
        first_dts = min(dts for _, _, dts in self._units)
        sent, began_us = 0, GLib.get_monotonic_time()

        def push() -> bool:
            # By the clock and not by intervals, whose rounding would make a camera of 15.15 fps.
            while sent * 1_000_000 <= (GLib.get_monotonic_time() - began_us) * self._fps:
                if not push_one():
                    return False
            return True

        def push_one() -> bool:
            nonlocal sent
            if self._frames and sent >= self._frames:
                self._gone()
                source.emit("end-of-stream")
                return False
            loop, number = divmod(sent, len(self._units))
            data, pts, _ = self._units[number]
            buffer = Gst.Buffer.new_wrapped(data)
            buffer.pts = pts - first_dts + loop * length_ns
            buffer.dts = int(sent * frame_ns)
            buffer.duration = int(frame_ns)
            sent += 1
            return source.emit("push-buffer", buffer) == Gst.FlowReturn.OK

        GLib.timeout_add(max(1, int(250 / self._fps)), push)


def guard(server: GstRtspServer.RTSPServer, mounts: list[Camera], options: argparse.Namespace) -> None:
    """Digest authentication and TLS, where they are asked for."""
    if not options.user and not options.certificate:
        return
    auth = GstRtspServer.RTSPAuth()
    if options.certificate:
        auth.set_tls_certificate(Gio.TlsCertificate.new_from_file(options.certificate))
    role = "viewer"
    if options.user:
        token = GstRtspServer.RTSPToken()
        token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, role)
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(options.user, options.password, token)
    else:
        token = GstRtspServer.RTSPToken()
        token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, role)
        auth.set_default_token(token)
    for factory in mounts:
        structure = Gst.Structure.new_empty(role)
        structure.set_value("media.factory.access", True)
        structure.set_value("media.factory.construct", True)
        factory.add_role_from_structure(structure)
    server.set_auth(auth)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("--mounts", type=int, default=1)
    parser.add_argument("--fps", type=float, default=15)
    parser.add_argument("--codec", default="h264", choices=["h264", "h265"])
    parser.add_argument("--user")
    parser.add_argument("--password")
    parser.add_argument("--certificate")
    parser.add_argument("--frames", type=int, default=0)
    parser.add_argument("--once", action="store_true")
    options = parser.parse_args()
    Gst.init(None)
    units = access_units(options.file, options.codec)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service("0")
    mounts = server.get_mount_points()

    def leave(number: int) -> Callable[[], None]:
        return lambda: mounts.remove_factory(f"/cam{number}") if options.once else None

    cameras = [
        Camera(units, options.codec, options.fps, options.frames, leave(number))
        for number in range(options.mounts)
    ]
    for number, camera in enumerate(cameras):
        mounts.add_factory(f"/cam{number}", camera)
    guard(server, cameras, options)
    server.attach(None)
    print(json.dumps({"port": server.get_bound_port()}), flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
