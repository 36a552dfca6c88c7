/** Kubernetes' resource quantities as numbers. */

const SHAPE = /^([+-]?(?:\d+[.]?\d*|[.]\d+))(?:([eE][+-]?\d+)|([numkMGTPE]|[KMGTPE]i))?$/;

/** The suffixes of apimachinery's pkg/api/resource/suffix.go. */
const FACTORS: Record<string, number> = {
  ...{ n: 1e-9, u: 1e-6, m: 1e-3, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18 },
  ...{ Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50, Ei: 2 ** 60 },
};

/** The number that a quantity such as `500m`, `2Gi` or 2 means; NaN for what is not one. */
export function quantityValue(quantity: string | number | undefined): number {
  const [, digits, exponent = "", suffix = ""] = SHAPE.exec(String(quantity)) ?? [];
  if (digits === undefined) return NaN;
  return Number(`${digits}${exponent}`) * (FACTORS[suffix] ?? 1);
}
