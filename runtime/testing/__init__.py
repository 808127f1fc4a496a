"""What a test of actors needs: repeatable runs in virtual time, probes, crashes on order, a trace.

It knows trio and this kernel, and no test framework. Nothing here outlives the run, or the `with`,
that it is for.
"""

from greenroom.runtime.testing.chaos import Blow, Chaos, Deed, InjectedError, actors, crash
from greenroom.runtime.testing.probe import Probe
from greenroom.runtime.testing.story import no_task_left, run
from greenroom.runtime.testing.trace import Trace

__all__ = [
    "Blow",
    "Chaos",
    "Deed",
    "InjectedError",
    "Probe",
    "Trace",
    "actors",
    "crash",
    "no_task_left",
    "run",
]
