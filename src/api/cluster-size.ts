/** The cluster size of an overlay, as the resource writes it: a Kubernetes quantity. */
import { characters } from "./fields.ts";
import { withRules } from "./rules.ts";

const SHAPE = /^([0-9]{1,7})(Ki|Mi)?$/;
const UNIT_BYTES = { "": 1, Ki: 1024, Mi: 1024 ** 2 };

/** Every cluster size that qcow2 has, in bytes: the powers of two from 512 to 2 MiB. */
const SIZES = Array.from({ length: 13 }, (_, power) => 512 * 2 ** power);

/** The smallest cluster of a qed image, in bytes. */
export const QED_MIN_CLUSTER_BYTES = 4096;

/** Bytes of a cluster size such as `64Ki`; NaN for what is not one. */
export function clusterSizeBytes(text: string): number {
  const [, digits, unit = ""] = SHAPE.exec(text) ?? [];
  return digits === undefined ? NaN : Number(digits) * UNIT_BYTES[unit as keyof typeof UNIT_BYTES];
}

export const ClusterSize = withRules(characters(16), [
  {
    cel: `self.matches('${SHAPE.source}') && quantity(self).asInteger() in [${SIZES.join(", ")}]`,
    message:
      "must be a power of two from 512 to 2Mi, in bytes or with Ki or Mi, such as 64Ki (Kubernetes' k and M are powers of ten)",
    holds: (text) => SIZES.includes(clusterSizeBytes(text)),
  },
]);
