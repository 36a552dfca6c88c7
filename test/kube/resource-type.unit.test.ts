import { expect, test } from "vitest";
import { keyOf, keyText, pathOf, type ResourceType } from "../../src/kube/resource-type.ts";
import { Things } from "./objects.ts";

const Nodes: ResourceType<object> = {
  apiVersion: "v1",
  kind: "Node",
  plural: "nodes",
  namespaced: false,
};

test("paths of kinds, objects and subresources", () => {
  expect(pathOf(Things, {})).toBe("/apis/example.org/v1/things");
  expect(pathOf(Things, { namespace: "a" })).toBe("/apis/example.org/v1/namespaces/a/things");
  expect(pathOf(Things, { namespace: "a", name: "b", subresource: "status" })).toBe(
    "/apis/example.org/v1/namespaces/a/things/b/status",
  );
  expect(pathOf(Nodes, { name: "b" })).toBe("/api/v1/nodes/b");
  // What belongs to no namespace has none in its path.
  expect(pathOf(Nodes, { namespace: "a", name: "b" })).toBe("/api/v1/nodes/b");
});

test("a name cannot lead to another path", () => {
  expect(pathOf(Nodes, { name: "../secrets?x#y" })).toBe("/api/v1/nodes/..%2Fsecrets%3Fx%23y");
});

test("keys", () => {
  expect(keyText({ namespace: "a", name: "b" })).toBe("a/b");
  expect(keyText({ namespace: "", name: "b" })).toBe("b");
  expect(keyText(keyOf({ metadata: { name: "b" } }))).toBe("b");
  expect(keyText(keyOf({}))).toBe("");
});
