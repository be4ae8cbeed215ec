"""Family ``classifier``: what is in a crop. N x classes, as logits or probabilities.

It finds nothing: it is asked about boxes that a detector found (``detectors.classifier``).
In: by the pack's mean and std, in its order, stretched.
"""

from collections.abc import Sequence

import numpy as np

from appliance.vision.detectors import Columns
from appliance.vision.detectors.families.answers import ByRun, Outputs, columns_fit, no_extras, strange
from appliance.vision.detectors.filling import Placed, normalised
from appliance.vision.packs.pack import Pack


class Classifier(ByRun[Columns]):
    extras = staticmethod(no_extras)

    def __init__(self, pack: Pack, _lowest: float) -> None:
        self.feeding = normalised(pack, "stretch")
        self._pack = pack
        self._logits = False

    def check(self, outputs: Outputs) -> None:
        if len(outputs) != 1:
            strange(self._pack, outputs, "N x classes")
        (raw,) = outputs.values()
        table = raw.reshape(len(raw), -1)
        columns_fit(self._pack, table.shape[1])
        # Numbers of 0..1 that add up to one are probabilities; logits of noise do not.
        self._logits = bool((table < 0.0).any() or abs(float(table[0].sum()) - 1.0) > 1e-2)

    def read(self, outputs: Outputs, placed: Sequence[Placed]) -> list[Columns]:
        """Per picture: a probability for each label, adding up to 1."""
        (raw,) = outputs.values()
        table: Columns = raw.reshape(len(raw), -1)[: len(placed)].astype(np.float32)
        if self._logits:
            table = np.exp(table - table.max(axis=1, keepdims=True))
            table /= table.sum(axis=1, keepdims=True)
        return list(table)
