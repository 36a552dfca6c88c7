import { expect, test } from "vitest";
import { Client } from "../../src/kube/client.ts";
import { guarded, NotLeading } from "../../src/kube/guard.ts";
import { observed, type ObservedRequest } from "../../src/kube/observed.ts";
import { FakeApi } from "./fake-api.ts";
import { thing, Things } from "./objects.ts";

const key = { namespace: "default", name: "a" };

test("only reads are sent while nothing may be written", async () => {
  const api = new FakeApi();
  let may = true;
  const client = new Client(guarded(api.transport, () => may));
  const object = await client.create(Things, thing("a"));
  may = false;
  const writes = [
    async () => client.create(Things, thing("b")),
    async () => client.replace(Things, object),
    async () => client.replace(Things, object, "status"),
    async () => client.mergePatch(Things, key, {}),
    async () => client.delete(Things, key),
  ];
  for (const write of writes) await expect(write()).rejects.toBeInstanceOf(NotLeading);
  expect(await client.get(Things, key)).toEqual(object);
  expect((await client.list(Things, { namespace: "default" })).items).toEqual([object]);
  expect(api.requests.map(({ method }) => method)).toEqual(["POST", "GET", "GET"]);
  may = true;
  await client.delete(Things, key);
});

test("every request is told once, with what came of it", async () => {
  const api = new FakeApi();
  const seen: ObservedRequest[] = [];
  const client = new Client(observed(api.transport, (request) => seen.push(request)));
  await client.create(Things, thing("a"));
  await expect(client.create(Things, thing("a"))).rejects.toThrow("409");
  api.fault = async () => {
    throw new Error("connect ECONNREFUSED");
  };
  await expect(client.get(Things, key)).rejects.toThrow("ECONNREFUSED");
  const path = "/apis/example.org/v1/namespaces/default/things";
  const seconds = expect.any(Number) as number;
  expect(seen).toEqual([
    { method: "POST", path, status: 201, seconds },
    { method: "POST", path, status: 409, seconds },
    { method: "GET", path: `${path}/a`, status: 0, seconds },
  ]);
});
