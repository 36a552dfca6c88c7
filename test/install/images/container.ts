/** Runs an image's entry point as a kubelet would have it run in a pod of the level restricted. */
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "../../cluster/eventually.ts";
import { startCommand, type Ended } from "../../support/command.ts";
import type { Image } from "./image.ts";

export interface ContainerOptions {
  /** In place of the image's own. */
  user?: string;
  /** A folder that is seen as /volumes. */
  volumes?: string;
  /** Told the number of the container's first process, as this machine counts it. */
  onStart?: (pid: number) => void;
}

/**
 * Namespaces of its own, the root read-only, /tmp small, no network, no capabilities. The first
 * process of the container is the entry point itself. All mounts go with it.
 */
const SCRIPT = `
set -e
root=$1; volumes=$2; user=$3; shift 3
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 dev "$root/dev"
touch "$root/dev/null" "$root/dev/termination-log"
chmod 666 "$root/dev/termination-log"
mount --bind /dev/null "$root/dev/null"
ln -s /proc/self/fd "$root/dev/fd"
[ ! -d "$root/tmp" ] || mount -t tmpfs -o size=16m,mode=1777 tmp "$root/tmp"
[ -z "$volumes" ] || mount --bind "$volumes" "$root/volumes"
mount -o remount,ro,bind "$root"
cd /
exec env -i "$@"
`;

export async function runContainer(
  { config, root }: Image,
  args: readonly string[],
  { user, volumes, onStart }: ContainerOptions = {},
): Promise<Ended> {
  // The places that a runtime makes for its mounts.
  for (const name of ["proc", "dev", "volumes"]) mkdirSync(join(root, name), { recursive: true });
  const { User, Env, Entrypoint } = config.config;
  const { child, ended } = startCommand("unshare", [
    ...["--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child"],
    ...["sh", "-c", SCRIPT, "container", root, volumes ?? "", ""],
    ...Env,
    // Capabilities go with root: the entry point's user has none.
    ...["/usr/bin/setpriv", "--no-new-privs", "/usr/sbin/chroot"],
    ...[`--userspec=${user ?? User}`, "--groups=", root],
    ...Entrypoint,
    ...args,
  ]);
  if (onStart !== undefined) onStart(await onlyChild(child.pid ?? 0));
  return ended;
}

async function onlyChild(parent: number): Promise<number> {
  const children = `/proc/${parent}/task/${parent}/children`;
  return eventually(() => Number(readFileSync(children, "utf8").trim()) || undefined);
}
