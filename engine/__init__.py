"""A private AWS ParallelCluster for every project: the provisioning engine."""

import gc

__version__ = "0.1.0"

_USUAL = gc.get_threshold()
# What a process imports it keeps. Looking through all of it after every 700 new objects, as Python does, is a
# tenth of the time in which the API function comes up, and a fifth of that of a local cloud.
gc.set_threshold(50_000)


def settle() -> None:
    """To be called by a process that has come up and lives on: Python's garbage collector looks as often as
    usual again, and no more at what is there already. Else a worker grows by half with what nobody holds."""
    gc.freeze()
    gc.set_threshold(*_USUAL)
