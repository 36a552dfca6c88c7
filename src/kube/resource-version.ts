/** Which of two resourceVersions is the newer. */

const decimal = /^[1-9]\d*$/;

/**
 * Below 0 where `a` is older than `b`, 0 where they are the same, undefined where nobody can
 * tell. Decimal numbers of any length compare by value: documented since Kubernetes 1.35 for
 * objects of one type (KEP-5504, apimachinery's util/resourceversion), and what kube-apiserver
 * has always given, which is etcd's revision.
 */
export function compareVersions(a: string, b: string): number | undefined {
  if (a === b) return 0;
  if (!decimal.test(a) || !decimal.test(b)) return undefined;
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : 1;
}
