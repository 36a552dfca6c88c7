/** All objects of a kind, page by page. */
import type { ListMeta } from "kubernetes-types/meta/v1.d.ts";
import { isGone } from "./api-error.ts";
import type { Requester } from "./requester.ts";
import { pathOf, type KubeObject, type ResourceType } from "./resource-type.ts";

/** As client-go asks for. */
const PAGE = 500;

/** Which objects of a kind. */
export interface Selection {
  /** Every namespace where absent. */
  namespace?: string | undefined;
  labelSelector?: string | undefined;
  fieldSelector?: string | undefined;
}

export interface ListOptions<T> extends Selection {
  /** What to keep of each object, page by page. */
  transform?: ((object: T) => T) | undefined;
  signal?: AbortSignal;
}

export interface List<T> {
  items: T[];
  /** Of the moment that the list shows. */
  resourceVersion: string;
}

/**
 * Without a resourceVersion in the request the answer is never older than what anyone has seen
 * before, whichever API server gives it.
 */
export async function list<T extends KubeObject>(
  requester: Requester,
  type: ResourceType<T>,
  options: ListOptions<T>,
): Promise<List<T>> {
  try {
    return await pages(requester, type, options, { limit: String(PAGE) });
  } catch (error) {
    // The moment that the pages show is forgotten: etcd was compacted since the first. To one
    // page that cannot happen.
    if (!isGone(error)) throw error;
    return pages(requester, type, options, {});
  }
}

async function pages<T extends KubeObject>(
  requester: Requester,
  type: ResourceType<T>,
  options: ListOptions<T>,
  limit: { limit?: string },
): Promise<List<T>> {
  const { apiVersion, kind, plural } = type;
  const { namespace, transform = (object: T) => object, signal } = options;
  const items: T[] = [];
  let resourceVersion = "";
  let next = "";
  do {
    const page = await requester.json<{ metadata?: ListMeta; items?: T[] | null }>(
      `list ${plural}`,
      {
        method: "GET",
        path: pathOf(type, { namespace }),
        query: { ...selectors(options), ...limit, ...(next === "" ? {} : { continue: next }) },
        signal,
      },
    );
    // Lists leave out what is the same in all of their items.
    for (const item of page.items ?? []) items.push(transform({ apiVersion, kind, ...item }));
    resourceVersion = page.metadata?.resourceVersion ?? "";
    next = page.metadata?.continue ?? "";
  } while (next !== "");
  return { items, resourceVersion };
}

/** As a request's query has them. */
export function selectors({ labelSelector, fieldSelector }: Selection): Record<string, string> {
  return {
    ...(labelSelector === undefined ? {} : { labelSelector }),
    ...(fieldSelector === undefined ? {} : { fieldSelector }),
  };
}
