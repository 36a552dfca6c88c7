/** Where the API server keeps objects of a kind: it knows itself. */
import type { KubeObject } from "./client.ts";

interface Resource {
  name: string;
  kind: string;
  namespaced: boolean;
}

export class Discovery {
  readonly #get: (path: string) => Promise<{ resources: Resource[] }>;
  readonly #known = new Map<string, Resource>();

  constructor(get: (path: string) => Promise<{ resources: Resource[] }>) {
    this.#get = get;
  }

  /** The path of an object, or of its collection if its manifest gives no name. */
  async path({ apiVersion = "v1", kind = "", metadata = {} }: KubeObject): Promise<string> {
    const root = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    const { name: plural, namespaced } = await this.#resource(root, kind);
    const { namespace, name } = metadata;
    if (namespaced && namespace === undefined) throw new Error(`this ${kind} has no namespace`);
    return [
      root,
      ...(namespaced && namespace !== undefined ? ["namespaces", namespace] : []),
      plural,
      ...(name === undefined ? [] : [name]),
    ].join("/");
  }

  async #resource(root: string, kind: string): Promise<Resource> {
    const known = this.#known.get(`${root} ${kind}`);
    if (known !== undefined) return known;
    const { resources } = await this.#get(root);
    // The others are subresources.
    for (const resource of resources.filter(({ name }) => !name.includes("/"))) {
      this.#known.set(`${root} ${resource.kind}`, resource);
    }
    const found = this.#known.get(`${root} ${kind}`);
    if (found === undefined) throw new Error(`the API server has no ${kind} at ${root}`);
    return found;
  }
}
