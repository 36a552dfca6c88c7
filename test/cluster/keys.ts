/** The certificates and keys of a control plane: one authority, and what it signs. */
import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { must } from "../support/command.ts";

/** The paths of a certificate and of its key. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

/** The contents of both. */
export function readKeyPair({ certificate, key }: KeyPair): { cert: string; key: string } {
  return { cert: readFileSync(certificate, "utf8"), key: readFileSync(key, "utf8") };
}

// The names under which the API server is called, from outside and from pods.
const serverNames = [
  ...["DNS:localhost", "IP:127.0.0.1", "IP:10.0.0.1"],
  ...["DNS:kubernetes", "DNS:kubernetes.default", "DNS:kubernetes.default.svc"],
];

const configuration = (addresses: readonly string[]): string => `
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, digitalSignature
[signed]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = ${[...serverNames, ...addresses.map((address) => `IP:${address}`)].join(",")}
`;

/** An authority of a folder's own. */
export class Authority {
  readonly certificate: string;
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.certificate = join(folder, "ca.crt");
  }

  /**
   * Makes a new one.
   * @param addresses at which its servers can be called, besides the loopback device's.
   */
  static async create(folder: string, addresses: readonly string[] = []): Promise<Authority> {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "openssl.cnf"), configuration(addresses));
    const authority = new Authority(folder);
    await authority.#request("ca", "/CN=imagediff-tests", ["-extensions", "authority"]);
    return authority;
  }

  /** The one that `create` has made there. */
  static at(folder: string): Authority {
    return new Authority(folder);
  }

  get pem(): string {
    return readFileSync(this.certificate, "utf8");
  }

  /**
   * A certificate for both ends of a connection.
   * @param user and group as Kubernetes reads them from a client's certificate.
   */
  async sign(file: string, user: string, group?: string): Promise<KeyPair> {
    const subject = `${group === undefined ? "" : `/O=${group}`}/CN=${user}`;
    const signer = ["-CA", this.certificate, "-CAkey", join(this.#folder, "ca.key")];
    return this.#request(file, subject, ["-extensions", "signed", ...signer]);
  }

  async #request(file: string, subject: string, args: readonly string[]): Promise<KeyPair> {
    const pair = {
      certificate: join(this.#folder, `${file}.crt`),
      key: join(this.#folder, `${file}.key`),
    };
    await must("openssl", [
      ...["req", "-x509", "-config", join(this.#folder, "openssl.cnf"), "-days", "2", "-nodes"],
      ...["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", subject],
      ...["-keyout", pair.key, "-out", pair.certificate, ...args],
    ]);
    return pair;
  }
}

/** The key that signs the tokens of service accounts; its path. */
export function makeTokenKey(folder: string): string {
  const path = join(folder, "service-accounts.key");
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  writeFileSync(path, privateKey.export({ type: "sec1", format: "pem" }), { mode: 0o600 });
  return path;
}
