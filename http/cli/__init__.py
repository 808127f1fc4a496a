"""The command line: the process in which the gateway runs, and the commands that ask it."""

import importlib
import sys
from typing import Any, cast

if "structlog" not in sys.modules and "rich" not in sys.modules:
    # structlog loads rich, 3 MB, wherever that is installed, to colour what we write without colours.
    modules = cast("dict[str, Any]", sys.modules)
    modules["rich"] = None
    try:
        importlib.import_module("structlog")
    finally:
        del modules["rich"]
