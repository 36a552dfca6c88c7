/** The engine's command line for a resource: the same in a Job and in a run without a cluster. */
import { clusterSizeBytes } from "../../api/cluster-size.ts";
import { outputPath, type ImageDiff } from "../../api/resource.ts";
import { Failure } from "../../report/reasons.ts";
import { backingFileName, claimsOf, imagePath, type Volumes } from "./volumes.ts";

/**
 * The arguments that make the engine do what the resource asks for, the subcommand first.
 * @throws Failure OutputNotWritable if the output's claim is a Block claim.
 */
export function engineArguments(resource: ImageDiff, volumes: Volumes): string[] {
  const { base, modified, mode } = resource.spec;
  const inputs = [
    "--json",
    "-b",
    imagePath(base, volumes),
    "-F",
    base.format,
    "-f",
    modified.format,
  ];
  const folders = claimsOf(resource).flatMap((claim) => ["--volume", volumes(claim).path]);
  const options = [...inputs, ...formatOptions(resource), ...folders];
  const modifiedPath = imagePath(modified, volumes);
  if (mode === "Estimate") return ["estimate", ...options, "--", modifiedPath];
  const output = overlayPath(resource, volumes);
  return ["diff", ...options, ...writeOptions(resource, volumes), "--", modifiedPath, output];
}

/** What determines the overlay's size, for a Diff and an Estimate alike. */
function formatOptions({ spec }: ImageDiff): string[] {
  const { format, compression, clusterSize } = spec.output;
  const options = [`cluster_size=${clusterSizeBytes(clusterSize)}`];
  if (compression !== "None") options.push(`compression_type=${compression.toLowerCase()}`);
  return [
    ...["-O", format, "-o", options.join(",")],
    ...(compression === "None" ? [] : ["-c"]),
    ...(spec.allowSizeDifference ? ["--allow-size-difference"] : []),
  ];
}

/** What matters only where an overlay is written. */
function writeOptions(resource: ImageDiff, volumes: Volumes): string[] {
  const { output, verification } = resource.spec;
  return [
    ...["--verify", verification.toLowerCase()],
    `--backing-file=${backingFileName(resource, volumes)}`,
    // The name that we make up ourselves is made of paths, and knows of no symbolic links.
    ...(output.backingFile === undefined ? ["--require-backing"] : []),
    // An overlay that is there already may be this very one: a pod can be lost after it has
    // finished the work and before anyone heard of it.
    output.overwrite ? "--force" : "--accept-same",
  ];
}

function overlayPath(resource: ImageDiff, volumes: Volumes): string {
  const { claimName } = resource.spec.output;
  if (claimName === undefined) {
    throw new Failure("InvalidManifest", "spec.output.claimName: is required in mode Diff");
  }
  const volume = volumes(claimName);
  if (volume.block) {
    throw new Failure(
      "OutputNotWritable",
      `spec.output.claimName: ${claimName} is a Block claim, and an overlay is a file: name a Filesystem claim`,
    );
  }
  return `${volume.path}/${outputPath(resource)}`;
}
