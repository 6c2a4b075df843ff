"""IAM policies of AWS's own that our modules attach; moto would take seconds to read all of them.

Source: AWS managed policy reference.
"""

from __future__ import annotations

from typing import Any

from engine.local.world import World

POLICIES: dict[str, dict[str, Any]] = {
    "AmazonAPIGatewayPushToCloudWatchLogs": {
        "CreateDate": "2015-11-11T23:41:46+00:00",
        "UpdateDate": "2015-11-11T23:41:46+00:00",
        "DefaultVersionId": "v1",
        "Path": "/service-role/",
        "Document": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": [
                        "logs:CreateLogGroup",
                        "logs:CreateLogStream",
                        "logs:DescribeLogGroups",
                        "logs:DescribeLogStreams",
                        "logs:PutLogEvents",
                        "logs:GetLogEvents",
                        "logs:FilterLogEvents",
                    ],
                    "Resource": "*",
                }
            ],
        },
    },
}


def plant(world: World) -> None:
    """Make them known; they go with everything else of the cloud."""
    from moto.iam.models import AWSManagedPolicy

    iam = world.backends.iam()
    for name, data in POLICIES.items():
        policy = AWSManagedPolicy.from_data(name, world.backends.account_id, world.region, data)
        iam.managed_policies[policy.arn] = policy
