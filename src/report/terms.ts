/** Words of the report that the command line takes too; apart, so that it starts without zod. */

export const outputFormats = ["qcow2", "qed"] as const;
export const verificationLevels = ["none", "metadata", "full"] as const;
