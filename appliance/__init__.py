"""Aries Edge: an offline-first, single-box video security appliance.

Data flow, in one line of rooms::

    camera -> packets -+-> fragments -> segment files + index -> playback, clips
      (media)          |        +----> live view                       (web)
                       +-> vision worker: frames -> detections -> tracks
                              (vision)                            |
              events <- rules <-----------------------------------+
                |      (rules)
                +-> alerts -> notifications                  (alerts)
                +-> outbox -> cloud endpoint, when there is a link (sync)

Floors, imports go down only:
``daemon, cli > web > sync > alerts > rules > vision > media, system, simulator > store > base``.

Read next: ``appliance.base`` for the words, ``appliance.media`` for recording,
``appliance.daemon`` for how the parts are put together.
"""

__version__ = "0.1.0"
