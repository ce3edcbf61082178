"""First in PYTHONPATH of a soaked daemon: Python imports it at its start. Never in the way of the product's own code.

It does nothing unless a soak has started this process, and then only what that soak wants to see go wrong.
"""

import os
import sys

if "voicebridge" in sys.orig_argv and "run" in sys.orig_argv:
    if orders := os.environ.get("VB_SOAK_ORDERS"):
        from voicebridge_bench.soak.inside.hanging import watch_for_hangs

        watch_for_hangs(orders)
    if name := os.environ.get("VB_SOAK_PLANTED"):
        from voicebridge_bench.soak.planted import plant

        plant(name)
