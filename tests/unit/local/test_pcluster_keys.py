from __future__ import annotations

import copy

import pytest

from engine.local.pcluster_keys import unknown_keys
from engine.local.pcluster_update import refusals

CONFIG = {
    "Image": {"Os": "alinux2023"},
    "HeadNode": {"InstanceType": "t3.medium", "Networking": {"SubnetId": "subnet-1"}},
    "Scheduling": {
        "Scheduler": "slurm",
        "SlurmQueues": [
            {
                "Name": "q",
                "Networking": {"SubnetIds": ["subnet-1"]},
                "ComputeResources": [
                    {
                        "Name": "r",
                        "Instances": [{"InstanceType": "c5.large"}],
                        "MinCount": "0",
                        "MaxCount": "4",
                    }
                ],
            }
        ],
    },
    "SharedStorage": [
        {
            "Name": "data",
            "MountDir": "/data",
            "StorageType": "FsxLustre",
            "FsxLustreSettings": {"FileSystemId": "fs-1"},
        }
    ],
}


def test_unknown_keys_are_named_with_their_path():
    assert list(unknown_keys(CONFIG)) == []
    bad = copy.deepcopy(CONFIG)
    bad["Scheduling"]["SlurmQueues"][0]["ComputeResources"][0]["Color"] = 1
    bad["Extra"] = {}
    bad["SharedStorage"] = {}
    assert list(unknown_keys(bad)) == [
        "Scheduling.SlurmQueues.ComputeResources.Color: Unknown field.",
        "SharedStorage: Invalid input type.",
        "Extra: Unknown field.",
    ]


def changed(edit):
    new = copy.deepcopy(CONFIG)
    edit(new)
    return new


def queue(config):
    return config["Scheduling"]["SlurmQueues"][0]


def resource(config):
    return queue(config)["ComputeResources"][0]


def strategy(config, value):
    config["Scheduling"]["SlurmSettings"] = {"QueueUpdateStrategy": value}


@pytest.mark.parametrize(
    ("edit", "running", "draining", "terminating", "stopped"),
    [
        (lambda c: None, True, True, True, True),
        (lambda c: resource(c).update(MaxCount="8"), True, True, True, True),
        (lambda c: resource(c).update(MaxCount="2"), False, False, True, True),
        (lambda c: resource(c).update(MinCount="1"), False, False, True, True),
        (lambda c: resource(c).update(MinCount="1", MaxCount="5"), True, True, True, True),
        (lambda c: resource(c).pop("MaxCount"), True, True, True, True),
        (lambda c: resource(c)["Instances"].append({"InstanceType": "c5.xlarge"}), True, True, True, True),
        (lambda c: resource(c).update(Instances=[{"InstanceType": "m5.large"}]), False, False, False, True),
        (lambda c: queue(c).update(CapacityType="SPOT"), False, True, True, True),
        (lambda c: queue(c)["Networking"]["SubnetIds"].append("subnet-2"), True, True, True, True),
        (lambda c: queue(c).update(Name="other"), False, False, True, True),
        (lambda c: c["HeadNode"].update(InstanceType="t3.large"), False, False, False, False),
        (lambda c: c["Image"].update(Os="rhel9"), False, False, False, False),
        (lambda c: c["SharedStorage"].clear(), True, True, True, True),
        (lambda c: c["SharedStorage"][0].update(MountDir="/home"), False, False, False, True),
        (lambda c: c.update(Tags=[{"Key": "a", "Value": "b"}]), True, True, True, True),
    ],
)
def test_the_update_policy(edit, running, draining, terminating, stopped):
    def allowed(fleet, queue_strategy=None):
        def both(config):
            edit(config)
            if queue_strategy:
                strategy(config, queue_strategy)

        return refusals(CONFIG, changed(both), fleet_status=fleet) == []

    assert allowed("RUNNING") is running
    assert allowed("RUNNING", "DRAIN") is draining
    assert allowed("RUNNING", "TERMINATE") is terminating
    assert allowed("STOPPED") is stopped
