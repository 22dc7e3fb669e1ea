"""The scenario that the README tells readers to write is run here as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"
(SCENARIO,) = re.findall(r"^```python\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
exec(compile(SCENARIO, README, "exec"))  # pytest collects the test that it defines
