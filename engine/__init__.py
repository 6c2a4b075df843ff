"""A private AWS ParallelCluster for every project: the provisioning engine."""

import gc

__version__ = "0.1.0"

# What a process imports it keeps. Looking through all of it after every 700 new objects, as Python does, is a
# tenth of the time in which the API function comes up, and a fifth of that of a local cloud.
gc.set_threshold(50_000)
