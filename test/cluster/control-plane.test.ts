import { expect, test } from "vitest";
import { ApiError } from "./client.ts";
import { adminClient, clientWith, namespace, serviceAccount } from "./cluster.ts";

const admin = adminClient();

test("a service account without a role may do nothing", async () => {
  const space = await namespace(admin);
  const nobody = clientWith(await serviceAccount(admin, space, "nobody"));
  const path = `/api/v1/namespaces/${space}/pods`;

  await expect(nobody.list(path)).rejects.toThrow(ApiError);
  await expect(nobody.list(path)).rejects.toMatchObject({ status: 403, reason: "Forbidden" });
});
