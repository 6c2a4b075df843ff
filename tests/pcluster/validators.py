"""Which of AWS ParallelCluster's validators the tests run, and where.

A validator that ParallelCluster registers for one of our configurations, and that is in none of these,
fails the test that meets it: see checker.py.
"""

from __future__ import annotations

OFFLINE = frozenset(
    {
        "ArchitectureOsValidator",
        "CapacityTypeValidator",
        "ClusterNameValidator",
        "ComputeResourceSizeValidator",
        "ComputeResourceTagsValidator",
        "CustomSlurmNodeNamesValidator",
        "CustomSlurmSettingsValidator",
        "DatabaseUriValidator",
        "DeletionPolicyValidator",
        "DetailedMonitoringValidator",
        "DuplicateMountDirValidator",
        "DuplicateNameValidator",
        "EbsVolumeIopsValidator",
        "EbsVolumeThroughputIopsValidator",
        "EbsVolumeThroughputValidator",
        "EbsVolumeTypeSizeValidator",
        "EfaMultiAzValidator",
        "EfaOsArchitectureValidator",
        "EfaPlacementGroupValidator",
        "EfsAccessPointOptionsValidator",
        "EfsMountOptionsValidator",
        "ExternalSlurmdbdRequiresCustomMungeKey",
        "ExternalSlurmdbdTrafficNotEncrypted",
        "ExternalSlurmdbdVsDatabaseIncompatibility",
        "FeatureRegionValidator",
        "FsxArchitectureOsValidator",
        "FsxBackupOptionsValidator",
        "FsxDraValidator",
        "FsxPersistentOptionsValidator",
        "FsxS3Validator",
        "FsxStorageCapacityValidator",
        "FsxStorageTypeOptionsValidator",
        "HeadNodeMemorySizeValidator",
        "InstanceArchitectureCompatibilityValidator",
        "InstanceTypeAcceleratorManufacturerValidator",
        "InstanceTypeBaseAMICompatibleValidator",
        "InstanceTypeMemoryInfoValidator",
        "InstanceTypeOSCompatibleValidator",
        "InstanceTypePlacementGroupValidator",
        "InstanceTypeValidator",
        "InstancesAcceleratorsValidator",
        "InstancesAllocationStrategyValidator",
        "InstancesCPUValidator",
        "InstancesEFAValidator",
        "InstancesMemorySchedulingWarningValidator",
        "InstancesNetworkingValidator",
        "LogRotationValidator",
        "ManagedFsxMultiAzValidator",
        "MaxCountValidator",
        "MixedSecurityGroupOverwriteValidator",
        "MultiAzEbsVolumeValidator",
        "MultiAzPlacementGroupValidator",
        "MultiAzRootVolumeValidator",
        "NameValidator",
        "NumberOfStorageValidator",
        "OsCustomAmiValidator",
        "OverlappingMountDirValidator",
        "PlacementGroupCapacityTypeValidator",
        "PlacementGroupNamingValidator",
        "QueueSubnetsValidator",
        "RegionValidator",
        "RootVolumeEncryptionConsistencyValidator",
        "RootVolumeSizeValidator",
        "SchedulableMemoryValidator",
        "SchedulerValidator",
        "SharedStorageEfsSettingsValidator",
        "SharedStorageMountDirValidator",
        "SharedStorageNameValidator",
        "SlurmNodePrioritiesWarningValidator",
    }
)
"""They look at the configuration alone, or at facts of instance types, images and zones."""

IN_AN_ACCOUNT = frozenset(
    {
        "AmiOsCompatibleValidator",
        "AsyncTimedUrlValidator",
        "CustomAmiTagValidator",
        "EfaSecurityGroupValidator",
        "EfsIdValidator",
        "ElasticIpValidator",
        "ExistingFsxNetworkingValidator",
        "FsxBackupIdValidator",
        "IamPolicyValidator",
        "KeyPairValidator",
        "MultiNetworkInterfacesInstancesValidator",
        "PasswordSecretArnValidator",
        "SecurityGroupsValidator",
        "UnmanagedFsxMultiAzValidator",
    }
)
"""They ask for the things that a configuration names: they run beside the others in a local cloud."""

_DRY_RUN = "tries RunInstances with ephemeral disks, which moto refuses: they have no Ebs"
NOT_RUN = {
    "ComputeResourceLaunchTemplateValidator": _DRY_RUN,
    "HeadNodeLaunchTemplateValidator": _DRY_RUN,
}
"""Why nothing runs them."""
