/**
 * Manifests that are refused by a run without a cluster and by the API server alike: changes to
 * the smallest manifest, and what the message about them contains, the field and the cure.
 */
import {
  against,
  missing,
  mistyped,
  notOneOf,
  tooLarge,
  tooLong,
  tooMany,
  tooSmall,
  unknown,
  type BadManifest,
} from "./refused.ts";

const name = "must be a name as Kubernetes has them (RFC 1123): lower-case letters";
const path = "must be a path inside of the claim, such as images/disk.img: no slash at either end";
const printable = "must have at least one character and no control characters";
const clusterSize = "must be a power of two from 512 to 2Mi, in bytes or with Ki or Mi";
const aFile = "must be the name of a file, not of a protocol such as nbd: or json:; put ./ before";
const quantity = "must be a quantity: a whole number such as 2, or a string such as 500m or 2Gi";

/** Kubernetes decides about these two fields itself, in its own words. */
const ownFields: BadManifest[] = [
  {
    name: "no name",
    changes: { "metadata.name": undefined },
    local: ["metadata.name: is required: give a string"],
    server: ["metadata.name: Required value: name or generateName is required"],
  },
  {
    name: "a name that is no DNS name",
    changes: { "metadata.name": "Web_01" },
    local: [`metadata.name: ${name}`],
    server: ["metadata.name: Invalid value", "must consist of lower case alphanumeric"],
  },
];

const sources: BadManifest[] = [
  missing("no spec", "spec"),
  missing("no base", "spec.base"),
  missing("no modified", "spec.modified"),
  missing("a source without a claim", "spec.base.claimName"),
  missing("a claim that is null", "spec.base.claimName", { "spec.base.claimName": null }),
  mistyped("a source that is only a name", ["spec.modified", "web-01-root"], "object"),
  mistyped("a claim's name without quotes", ["spec.base.claimName", 7], "string", "in quotes"),
  against("an empty claim's name", { "spec.base.claimName": "" }, "spec.base.claimName", name),
  ...["Golden", "../etc", "-golden", "a..b"].map((claim) =>
    against(
      `the claim's name ${claim}`,
      { "spec.base.claimName": claim },
      "spec.base.claimName",
      name,
    ),
  ),
  tooLong("a long claim's name", "spec.base.claimName", "a".repeat(254), 253),
  ...["/etc/shadow", "../x/disk.img", "a/../../b", "./disk.img", "a//b", "a/", "..", ""].map(
    (bad) => against(`the path "${bad}"`, { "spec.base.path": bad }, "spec.base.path", path),
  ),
  against("a path of two lines", { "spec.base.path": "a\nb" }, "spec.base.path", printable),
  tooLong("a long path", "spec.base.path", "x".repeat(256), 255),
  tooLong("a long path beyond U+FFFF", "spec.base.path", "\u{1f4be}".repeat(256), 255),
  notOneOf(
    "a format that does not exist",
    ["spec.base.format", "qcow3"],
    ...["raw", "qcow2", "vmdk", "vdi", "vhdx", "vpc", "qed", "parallels"],
  ),
  notOneOf(
    "a format in capitals",
    ["spec.modified.format", "RAW"],
    ...["raw", "qcow2", "vmdk", "vdi", "vhdx", "vpc", "qed", "parallels"],
  ),
  unknown("a misspelt path", "spec.modified.pth", "claimName, path, format"),
  against(
    "an image compared with itself",
    { "spec.modified": { claimName: "golden" } },
    "spec.modified",
    "must be another image than base: an image does not differ from itself",
  ),
];

const output: BadManifest[] = [
  against(
    "no output",
    { "spec.output": undefined },
    "spec.output.claimName",
    "is required in mode Diff: name the claim that the overlay is written to",
  ),
  against(
    "an output without a claim",
    { "spec.output.claimName": undefined },
    "spec.output.claimName",
    "is required in mode Diff: name the claim",
  ),
  against("an absolute output", { "spec.output.path": "/x.qcow2" }, "spec.output.path", path),
  notOneOf("a raw overlay", ["spec.output.format", "raw"], "qcow2", "qed"),
  notOneOf("a vmdk overlay", ["spec.output.format", "vmdk"], "qcow2", "qed"),
  notOneOf(
    "compression in small letters",
    ["spec.output.compression", "zlib"],
    "None",
    "Zlib",
    "Zstd",
  ),
  against(
    "a compressed qed",
    { "spec.output.compression": "Zlib", "spec.output.format": "qed" },
    "spec.output.compression",
    "must be None unless output.format is qcow2: no other format compresses",
  ),
  ...["64k", "3Ki", "256", "4Mi", "0", "lots", "", "64KI", "1e5"].map((size) =>
    against(
      `clusters of "${size}"`,
      { "spec.output.clusterSize": size },
      "spec.output.clusterSize",
      clusterSize,
    ),
  ),
  mistyped(
    "a cluster size without quotes",
    ["spec.output.clusterSize", 65_536],
    "string",
    "quotes",
  ),
  against(
    "qed clusters of 2 KiB",
    { "spec.output.clusterSize": "2Ki", "spec.output.format": "qed" },
    "spec.output.clusterSize",
    "must be at least 4Ki where output.format is qed",
  ),
  mistyped("true in quotes", ["spec.output.overwrite", "true"], "boolean", "leave out the quotes"),
  mistyped("yes for true", ["spec.output.overwrite", "yes"], "boolean", '"yes"'),
  ...["nbd:host:1", 'json:{"a":1}'].map((backing) =>
    against(
      `the backing file ${backing}`,
      { "spec.output.backingFile": backing },
      "spec.output.backingFile",
      aFile,
    ),
  ),
  against(
    "an empty backing file",
    { "spec.output.backingFile": "" },
    "spec.output.backingFile",
    printable,
  ),
  against(
    "a backing file of many bytes",
    { "spec.output.backingFile": "é".repeat(600) },
    "spec.output.backingFile",
    "must have at most 1023 bytes, which is all that an overlay can record",
  ),
  against(
    "an overlay over base",
    { "spec.output.claimName": "golden", "spec.output.path": "disk.img" },
    "spec.output.path",
    "must not be the path of base on the same claim: give the overlay another path",
  ),
  against(
    "an overlay over base by its default path",
    { "spec.output.claimName": "golden", "spec.base.path": "web-01.qcow2" },
    "spec.output.path",
    "must not be the path of base on the same claim: give the overlay another path",
  ),
  against(
    "an overlay over modified by its default path",
    {
      "spec.output.claimName": "web-01-root",
      "spec.output.format": "qed",
      "spec.modified.path": "web-01.qed",
    },
    "spec.output.path",
    "must not be the path of modified on the same claim: give the overlay another path",
  ),
  against(
    "a name too long for a file",
    { "metadata.name": "w".repeat(250) },
    "spec.output.path",
    "is required: the resource's name is too long to be the overlay's file name",
  ),
];

const work: BadManifest[] = [
  notOneOf("a mode that does not exist", ["spec.mode", "Dry"], "Diff", "Estimate"),
  notOneOf(
    "verification in small letters",
    ["spec.verification", "full"],
    "Full",
    "Metadata",
    "None",
  ),
  notOneOf("verification: false", ["spec.verification", false], "Full", "Metadata", "None"),
  mistyped("1 for true", ["spec.allowSizeDifference", 1], "boolean", "not 1"),
  notOneOf("another use of sources", ["spec.sourceUse", "Any"], "RequireIdle", "AllowReadOnly"),
  mistyped("suspend: no, in quotes", ["spec.suspend", "no"], "boolean", '"no"'),
  tooSmall("fewer than no retries", "spec.backoffLimit", -1, 0),
  tooLarge("101 retries", "spec.backoffLimit", 101, 100),
  mistyped("half a retry", ["spec.backoffLimit", 1.5], "int32", "not 1.5"),
  mistyped("retries in quotes", ["spec.backoffLimit", "3"], "integer", "leave out the quotes"),
  tooSmall("no time", "spec.activeDeadlineSeconds", 0, 1),
  tooSmall("a time to live before the end", "spec.ttlSecondsAfterFinished", -5, 0),
  tooLarge("a time to live of 69 years", "spec.ttlSecondsAfterFinished", 2 ** 31, 2 ** 31 - 1),
  unknown("a misspelt field of spec", "spec.varification", "verification"),
  unknown("a misspelt spec", "spce", "spec"),
  unknown("a misspelt field of metadata", "metadata.nmae", "name"),
];

const job: BadManifest[] = [
  unknown("the image, which is the operator's", "spec.job.image", "nodeSelector"),
  against(
    "a quantity in words",
    { "spec.job.resources.limits": { cpu: "two" } },
    "spec.job.resources.limits.cpu",
    quantity,
    "spec.job.resources.limits[cpu]",
  ),
  against(
    "a quantity below zero",
    { "spec.job.resources.requests": { memory: -1 } },
    "spec.job.resources.requests.memory",
    quantity,
    "spec.job.resources.requests[memory]",
  ),
  {
    name: "a quantity with a fraction and no quotes",
    changes: { "spec.job.resources.limits": { cpu: 1.5 } },
    local: [`spec.job.resources.limits.cpu: ${quantity}`],
    server: ["spec.job.resources.limits.cpu in body must be of type integer,string"],
  },
  {
    name: "a toleration's operator that does not exist",
    changes: { "spec.job.tolerations": [{ operator: "Is" }] },
    local: ['spec.job.tolerations[0].operator: must be one of Exists, Equal, not "Is"'],
    server: [
      'spec.job.tolerations[0].operator: Unsupported value: "Is": supported values: "Exists", "Equal"',
    ],
  },
  tooSmall("a user below zero", "spec.job.podSecurityContext.runAsUser", -1, 0),
  tooMany("33 tolerations", ["spec.job.tolerations", Array.from({ length: 33 }, () => ({}))], 32),
  tooMany("65 labels", ["spec.job.labels", keysOf(65)], 64),
  mistyped("a list for a map", ["spec.job.nodeSelector", ["disktype=ssd"]], "object", "a list"),
  mistyped("a map for a list", ["spec.job.imagePullSecrets", {}], "array", "a map"),
  missing("a nameless secret", "spec.job.imagePullSecrets[0].name", {
    "spec.job.imagePullSecrets": [{}],
  }),
  unknown("a misspelt kind of affinity", "spec.job.affinity.nodeAfinity", "nodeAffinity"),
  against(
    "a label's key with a space",
    { "spec.job.nodeSelector": { "disk type": "ssd" } },
    "spec.job.nodeSelector",
    "must have keys such as tier or example.com/tier",
  ),
  against(
    "a label's value with a space",
    { "spec.job.labels": { tier: "the first" } },
    "spec.job.labels",
    "must have values of letters, digits, '-', '_' and '.' only",
  ),
  against(
    "an annotation's key with two slashes",
    { "spec.job.annotations": { "a/b/c": "x" } },
    "spec.job.annotations",
    "must have keys such as tier or example.com/tier",
  ),
  against(
    "a class that is no name",
    { "spec.job.priorityClassName": "High!" },
    "spec.job.priorityClassName",
    name,
  ),
];

function keysOf(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`key-${index}`, "x"]));
}

export const badManifests: BadManifest[] = [...ownFields, ...sources, ...output, ...work, ...job];
