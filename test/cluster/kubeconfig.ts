/** Files that tell a client of Kubernetes which server, and as whom. */
import { writeFileSync } from "node:fs";
import type { KeyPair } from "./keys.ts";

/** Writes one, and returns its path. */
export function writeKubeconfig(
  path: string,
  server: string,
  caPem: string,
  user: { token: string } | KeyPair,
): string {
  const credentials =
    "token" in user
      ? { token: user.token }
      : { "client-certificate": user.certificate, "client-key": user.key };
  const authority = Buffer.from(caPem).toString("base64");
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "test", cluster: { server, "certificate-authority-data": authority } }],
    users: [{ name: "user", user: credentials }],
    contexts: [{ name: "test", context: { cluster: "test", user: "user" } }],
    "current-context": "test",
  };
  // JSON is YAML too.
  writeFileSync(path, JSON.stringify(config, null, 2), { mode: 0o600 });
  return path;
}
