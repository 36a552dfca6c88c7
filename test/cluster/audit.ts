/** What the API server was asked, by whom, and what it answered. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import type { Access } from "./control-plane.ts";

export interface AuditRecord {
  auditID: string;
  /** Such as `list`, `patch` or `deletecollection`. */
  verb: string;
  user: { username: string };
  userAgent?: string;
  requestURI: string;
  objectRef?: {
    apiGroup?: string;
    resource?: string;
    subresource?: string;
    namespace?: string;
    name?: string;
  };
  responseStatus?: { code?: number };
  /** `ResponseStarted` of a watch that goes on, else `ResponseComplete`. */
  stage: string;
  /** When the request came, in microseconds of ISO 8601. */
  requestReceivedTimestamp: string;
}

/** The user name of a service account. */
export function accountName(namespace: string, name: string): string {
  return `system:serviceaccount:${namespace}:${name}`;
}

/**
 * The requests from its making on. One whose answer is small is there before its answer is; after a
 * large one, such as a long list, it may take a moment.
 */
export class AuditTrail {
  readonly #path: string;
  readonly #start: number;

  constructor({ auditLog }: Pick<Access, "auditLog">) {
    this.#path = auditLog;
    this.#start = withFile(auditLog, (file) => fstatSync(file).size);
  }

  /**
   * One for each request so far, in the order of their beginning.
   * @param user such as `accountName` gives it; all users by default.
   */
  records(user?: string): AuditRecord[] {
    const requests = new Map<string, AuditRecord>();
    for (const line of this.#read()
      .split("\n")
      .filter((text) => text !== "")) {
      const record = JSON.parse(line) as AuditRecord;
      // The later stage tells more.
      if (user === undefined || record.user.username === user) requests.set(record.auditID, record);
    }
    return [...requests.values()];
  }

  /**
   * What a user did, each once and sorted: `verb resource`, `verb resource/subresource`, or
   * `verb path` where it was no resource.
   */
  verbs(user: string): string[] {
    const words = this.records(user).map(({ verb, objectRef, requestURI }) => {
      const { resource, subresource } = objectRef ?? {};
      const what = [resource, subresource].filter((part) => part !== undefined).join("/");
      return `${verb} ${resource === undefined ? (requestURI.split("?")[0] ?? "") : what}`;
    });
    return [...new Set(words)].toSorted();
  }

  #read(): string {
    return withFile(this.#path, (file) => {
      const bytes = Buffer.alloc(Math.max(0, fstatSync(file).size - this.#start));
      const length = readSync(file, bytes, 0, bytes.length, this.#start);
      // The last line may not be whole yet.
      return bytes.toString("utf8", 0, bytes.subarray(0, length).lastIndexOf("\n") + 1);
    });
  }
}

function withFile<T>(path: string, use: (file: number) => T): T {
  const file = openSync(path, "r");
  try {
    return use(file);
  } finally {
    closeSync(file);
  }
}
