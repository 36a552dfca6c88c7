/** Kubernetes' MicroTime. */

/** RFC 3339 with exactly six digits of a second: Go refuses another number of them. */
export function microTime(date = new Date()): string {
  return date.toISOString().replace("Z", "000Z");
}
