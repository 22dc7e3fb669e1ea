"""A guide's commands are read from it as a reader sees them (no machines needed)."""

from __future__ import annotations

import pytest

from scenarios.guide import Step, steps

TEXT = """\
# A guide

```sh
not typed
```

```sh host copy
tar -c . | lab run coreos-1 -- tar -x
```

Some words, and a figure:

```text
+---+
```

```sh coreos-1 look
cd ~/here
ls
```
"""


def test_only_blocks_with_a_place_and_a_name_are_typed_in_order() -> None:
    assert list(steps(TEXT).values()) == [
        Step("copy", "host", "tar -c . | lab run coreos-1 -- tar -x\n"),
        Step("look", "coreos-1", "cd ~/here\nls\n"),
    ]


def test_a_name_that_is_there_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="copy"):
        steps(TEXT + TEXT)
