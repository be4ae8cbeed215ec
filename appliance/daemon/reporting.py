"""What the box tells of itself to its targets, on a clock: the ledger by the hour, figures by the quarter."""

import logging
from collections.abc import Callable

from appliance.base.clock import Clock
from appliance.base.errors import ApplianceError
from appliance.daemon.ledger_report import LedgerReports
from appliance.daemon.metrics_report import MetricsReports

log = logging.getLogger(__name__)

PERIOD_S = 900.0


class Reporting:
    """``run`` for ever. What a full disk refuses is told later: the ledger knows how far it is."""

    def __init__(
        self, ledger: LedgerReports, metrics: MetricsReports, clock: Clock, on_owed: Callable[[], None]
    ) -> None:
        self._ledger, self._metrics, self._clock, self._on_owed = ledger, metrics, clock, on_owed

    async def run(self) -> None:
        while True:
            await self.run_once()
            await self._clock.sleep(PERIOD_S)
            await self.figures()

    async def run_once(self) -> None:
        """The ledger, as far as it is due."""
        try:
            if await self._ledger.tell():
                self._on_owed()
        except ApplianceError as error:
            log.warning("the ledger is told later: %s", error)

    async def figures(self) -> None:
        try:
            if await self._metrics.tell():
                self._on_owed()
        except ApplianceError as error:
            log.warning("these figures are not told: %s", error)
