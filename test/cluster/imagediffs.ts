/** ImageDiffs that the API server itself has to judge; no controller looks at them. */
import { afterAll, beforeAll, expect } from "vitest";
import type { Namespace } from "kubernetes-types/core/v1.d.ts";
import type { Fields } from "../api/manifests.ts";
import { ApiError, type Client, type Query } from "./client.ts";

/** An ImageDiff as the API server stores it, its fields unchecked. */
export interface StoredImageDiff {
  metadata: { name: string; generation: number; resourceVersion: string };
  spec: Fields;
  status?: Fields;
}

/** The ImageDiffs of a namespace that the tests of one file share. */
export class ImageDiffs {
  readonly admin: Client;
  namespace = "";

  constructor(admin: Client) {
    this.admin = admin;
    beforeAll(async () => {
      const manifest: Namespace = {
        apiVersion: "v1",
        kind: "Namespace",
        metadata: { generateName: "resource-" },
      };
      this.namespace = (await admin.create(manifest)).metadata?.name ?? "";
    });
    afterAll(async () => admin.delete(`/api/v1/namespaces/${this.namespace}`));
  }

  /** The path of one, or of them all. */
  path(name?: string): string {
    const all = `/apis/imagediff.io/v1alpha1/namespaces/${this.namespace}/imagediffs`;
    return name === undefined ? all : `${all}/${name}`;
  }

  /** Posts a manifest as it is, and returns what the API server has made of it. */
  async create(manifest: unknown, query: Query = {}): Promise<StoredImageDiff> {
    const { body } = await this.admin.send("POST", this.path(), { body: manifest, query });
    return (await body.json()) as StoredImageDiff;
  }

  /** What would be stored; nothing is. Fields that do not exist are an error. */
  async dryRun(manifest: unknown): Promise<StoredImageDiff> {
    return this.create(manifest, { dryRun: "All", fieldValidation: "Strict" });
  }
}

/** The message of the API server that refuses this; a success is an error. */
export async function refusal(attempt: Promise<unknown>): Promise<string> {
  const why = await attempt.then(
    () => expect.fail("the API server accepts it"),
    (error: unknown) => error,
  );
  if (why instanceof ApiError && (why.status === 400 || why.status === 422)) return why.message;
  throw why;
}
