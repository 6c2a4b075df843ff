"""What a run that died leaves at AWS, made by hand: tagged as Terraform would have tagged it, in no state."""

from __future__ import annotations

from typing import Any

from engine.aws.session import Cloud
from engine.model import tags
from engine.model.names import Names


def marks(names: Names, address: str = "", **more: str) -> dict[str, str]:
    return {
        tags.VLAB: names.vlab_id,
        tags.PROJECT: names.project_id,
        tags.MANAGED_BY: tags.ENGINE,
        **({tags.ADDRESS: address} if address else {}),
        **more,
    }


def pairs(found: dict[str, str]) -> list[Any]:
    return [{"Key": key, "Value": value} for key, value in found.items()]


def make_things(aws: Cloud, names: Names, block: str = "10.42.200.0/24") -> dict[str, str]:
    """One of most kinds, as an apply that died leaves them; kind -> id."""
    ec2: Any = aws.ec2
    vpc = ec2.describe_vpcs(Filters=[{"Name": f"tag:{tags.SHARED}", "Values": ["vpc"]}])["Vpcs"][0]["VpcId"]

    def tagged(kind: str, address: str) -> list[Any]:
        return [{"ResourceType": kind, "Tags": pairs(marks(names, address, Name=names.cluster))}]

    subnet = ec2.create_subnet(
        VpcId=vpc,
        CidrBlock=block,
        TagSpecifications=tagged("subnet", "module.subnet.0.aws_subnet.this"),
    )["Subnet"]["SubnetId"]
    group = ec2.create_security_group(
        GroupName=f"{names.cluster}-nodes",
        Description="nodes",
        VpcId=vpc,
        TagSpecifications=tagged("security-group", "module.parallelcluster.0.aws_security_group.this"),
    )["GroupId"]
    rule = ec2.authorize_security_group_ingress(
        GroupId=group,
        IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": 988, "ToPort": 988, "UserIdGroupPairs": [{"GroupId": group}]}
        ],
        TagSpecifications=tagged("security-group-rule", "module.fsx.0.aws_vpc_security_group_ingress_rule.x"),
    )["SecurityGroupRules"][0]["SecurityGroupRuleId"]
    home = aws.efs.create_file_system(CreationToken=names.efs, Tags=pairs(marks(names, "module.efs.x")))
    aws.efs.create_mount_target(FileSystemId=home["FileSystemId"], SubnetId=subnet)
    aws.s3.create_bucket(Bucket=names.bucket)
    aws.s3.put_bucket_tagging(Bucket=names.bucket, Tagging={"TagSet": pairs(marks(names))})
    aws.s3.put_object(Bucket=names.bucket, Key="result.txt", Body=b"42")
    secret = aws.secretsmanager.create_secret(
        Name=names.accounting_secret, SecretString="x", Tags=pairs(marks(names))
    )
    logs: Any = aws.logs
    logs.create_log_group(logGroupName=names.job_log_group, tags=marks(names))
    return {
        "aws_subnet": subnet,
        "aws_security_group": group,
        "aws_vpc_security_group_ingress_rule": rule,
        "aws_efs_file_system": home["FileSystemId"],
        "aws_s3_bucket": names.bucket,
        "aws_secretsmanager_secret": secret["ARN"],
        "aws_cloudwatch_log_group": names.job_log_group,
    }


def make_bucket_elsewhere(aws: Cloud, names: Names) -> None:
    """The project's bucket in Ireland, as a project of the same ids there has it, with an object in it."""
    place: Any = {"LocationConstraint": "eu-west-1"}
    aws.s3.create_bucket(Bucket=names.bucket, CreateBucketConfiguration=place)
    aws.s3.put_bucket_tagging(Bucket=names.bucket, Tagging={"TagSet": pairs(marks(names))})
    aws.s3.put_object(Bucket=names.bucket, Key="result.txt", Body=b"42")
