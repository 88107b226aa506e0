"""How quiet this host can be: what a cache remembers of it, and what each reading adds."""

from __future__ import annotations

from collections.abc import Sequence

from grader.model.base import canonical_json, digest
from grader.model.bench import Calibration, NoiseReading
from grader.model.host import Fingerprint
from grader.ports import NoiseMeter, Store
from grader.stats.noise import calibrated
from grader.workflow.records import load_record

KIND = "calibration"


class CalibratedMeter:
    """Implements `ports.NoiseMeter`, and remembers all that it read.

    Args:
        store: Where calibrations are kept; None to know nothing and keep nothing.
        host: Whose; the tools of its fingerprint do not matter, they do not change how fast programs start.
        earlier: What a session of the same campaign had read before it was cut off.
    """

    def __init__(
        self, meter: NoiseMeter, store: Store | None, host: Fingerprint, earlier: Sequence[NoiseReading] = ()
    ) -> None:
        self._meter = meter
        self._store = store
        self._key = digest(canonical_json(host.model_copy(update={"tools": ()})))
        self.readings = [*earlier]
        self.calibration = None if store is None else load_record(store, KIND, self._key, Calibration)

    def read(self, at_s: float, pause_s: float = 0.0) -> NoiseReading:
        reading = self._meter.read(at_s, pause_s)
        self.readings.append(reading)
        return reading

    def learn(self) -> None:
        """Keep what these readings add to the calibration; the one in use stays as it is."""
        learned = calibrated(self.calibration, self.readings)
        if self._store is not None and learned is not None and learned != self.calibration:
            self._store.save(KIND, self._key, canonical_json(learned))
