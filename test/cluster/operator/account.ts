/** As whom a controller works, and what it was seen to do by the API server. */
import type { AuditRecord, AuditTrail } from "../audit.ts";
import type { Client } from "../client.ts";
import { cluster, tokenOf } from "../cluster.ts";
import { kubeconfigFor, type Access } from "../control-plane.ts";
import { ACCOUNT } from "./world.ts";

/** A token of its own tells what one process does from what others of the account do. */
export interface Credentials {
  token: string;
  /** How the audit log names the token. */
  id: string;
}

/** A new token of the controller's account, which has the rights of `deploy/` and no others. */
export async function credentials(admin: Client, account = ACCOUNT): Promise<Credentials> {
  const token = await tokenOf(admin, account.namespace, account.name);
  const [, payload = ""] = token.split(".");
  const { jti } = JSON.parse(Buffer.from(payload, "base64url").toString()) as { jti: string };
  return { token, id: `JTI=${jti}` };
}

/** Writes a kubeconfig file for them, of the API server or of what stands before it. */
export function kubeconfigOf(
  { token }: Credentials,
  server?: string,
  access: Access = cluster(),
): string {
  const { folder, caPem } = access;
  return kubeconfigFor({ ...access, folder, caPem, server: server ?? access.server }, token);
}

/** What was asked for with this token, in the order of its beginning. */
export function requestsOf(trail: AuditTrail, { id }: Credentials): AuditRecord[] {
  return trail.records().filter(({ user }) => {
    const { extra } = user as { extra?: Record<string, string[]> };
    return extra?.["authentication.kubernetes.io/credential-id"]?.includes(id) === true;
  });
}

/** The same, only what changes something; the lease is apart. */
export function writesOf(trail: AuditTrail, who: Credentials): AuditRecord[] {
  return requestsOf(trail, who).filter(
    ({ verb, objectRef }) => !isReading(verb) && objectRef?.resource !== "leases",
  );
}

export function isReading(verb: string): boolean {
  return ["get", "list", "watch"].includes(verb);
}
