/**
 * The operator's own reason words: why a resource is in its state, where it was not the engine
 * that said so (its words are in report/reasons.ts). docs/reasons.md explains each.
 */
export const operatorReasons = {
  /** Something is in the way. The work goes on by itself once it is gone. */
  waiting: [
    "ClaimMissing",
    "ClaimTerminating",
    "ClaimLost",
    "ClaimUnbound",
    "ClaimInUse",
    "SourcesInUse",
    "OutputReadOnly",
    "OutputTooSmall",
    "VolumesApart",
    "ClaimsApart",
    "HolderUnplaced",
    "JobRefused",
    "QuotaExceeded",
    "LimitRangeViolated",
    "PodSecurityViolated",
    "ServiceAccountMissing",
    "PodRefused",
    "Unschedulable",
    "ImagePullFailed",
    "PullSecretMissing",
    "VolumeNotAttached",
    "VolumeNotMounted",
    "ContainerNotStarted",
  ],
  /** What happens in any good life of a resource; nobody has to act. */
  underWay: [
    "Suspending",
    "Suspended",
    "CapacityReached",
    "ReplacingJob",
    "JobCreated",
    "Starting",
    "Comparing",
    "Converting",
    "Verifying",
  ],
  /** How the engine ended, where it could not say so itself. */
  failing: [
    "DeadlineExceeded",
    "OutOfMemory",
    "Evicted",
    "Disrupted",
    "EngineKilled",
    "BackoffLimitExceeded",
    "ReportLost",
  ],
  /** How it came out. */
  done: ["OverlayReady", "Estimated", "ResultLost"],
  /** The other conditions' reasons, where they are good. */
  conditions: ["Idle", "Scheduled", "ContentIdentical", "MetadataConsistent", "NotRequested"],
  /** Only told by events. */
  events: ["PathIgnored"],
} as const;

export type OperatorReason = (typeof operatorReasons)[keyof typeof operatorReasons][number];
