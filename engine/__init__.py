"""A private AWS ParallelCluster for every project: the provisioning engine."""

__version__ = "0.1.0"
