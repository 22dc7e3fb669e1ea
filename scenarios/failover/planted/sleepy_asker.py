"""The probe's own process with a defect: it stands still once, as on a host that is too busy."""

import json
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))
from lab import asker

AWAKE, ASLEEP = 3.0, 4.0  # seconds


class Sleepy(asker.Asker):
    """Sleeps after its first seconds."""

    bedtime = time.monotonic() + AWAKE

    def begin(self, now: float) -> None:
        if now >= self.bedtime:
            self.bedtime = float("inf")
            time.sleep(ASLEEP)
        super().begin(now)


asker.go_first()
os.set_blocking(sys.stdin.fileno(), False)
Sleepy(json.loads(sys.argv[1])).run()
