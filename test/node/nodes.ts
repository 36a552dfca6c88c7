/** Starts the nodes of a site. */
import { mkdirSync, writeFileSync } from "node:fs";
import { cp } from "node:fs/promises";
import { join } from "node:path";
import type { Node as ApiNode } from "kubernetes-types/core/v1.d.ts";
import type { Client } from "../cluster/client.ts";
import { adminOf, type Access } from "../cluster/control-plane.ts";
import { Authority, type KeyPair } from "../cluster/keys.ts";
import { writeKubeconfig } from "../cluster/kubeconfig.ts";
import { makeCgroup } from "./cgroups.ts";
import { pauseImage, podNetwork } from "./containerd.ts";
import { imageFromFolder } from "./image.ts";
import { kubeletConfig, machineSettings, proxyConfig, proxyHealthPort } from "./kubelet.ts";
import { makeNamespaces } from "./namespaces.ts";
import { connectNode, nodeAddress, podSubnet, wholeSubnet } from "./network.ts";
import { Node, snapshotterFor, type NodeDescription } from "./node.ts";
import { foldersOf, type NodePrograms } from "./programs.ts";
import type { SiteDescription } from "./site.ts";

/** Numbers of nodes: 1 and so on. */
export function numbersOf(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}

/** Starts nodes named node-1 and so on, up to three, and resolves when they are ready for pods. */
export async function startNodes(
  access: Access,
  site: SiteDescription,
  programs: NodePrograms,
  count: number,
): Promise<Node[]> {
  const pause = await makePauseImage(site.folder, programs.pause);
  const admin = adminOf(access);
  try {
    return await Promise.all(
      numbersOf(count).map(async (number) => {
        const node = await makeNode(access, site, programs, { number, count });
        await startPrograms(admin, node, pause);
        return node;
      }),
    );
  } finally {
    await admin.close();
  }
}

async function makePauseImage(folder: string, pause: string): Promise<string> {
  const files = join(folder, "pause");
  mkdirSync(files);
  await cp(pause, join(files, "pause"));
  const archive = join(folder, "pause.tar");
  await imageFromFolder(files, pauseImage, { Entrypoint: ["/pause"] }, archive);
  return archive;
}

async function makeNode(
  access: Access,
  site: SiteDescription,
  programs: NodePrograms,
  { number, count }: { number: number; count: number },
): Promise<Node> {
  const name = `node-${number}`;
  const folder = join(site.folder, name);
  for (const kept of ["kubelet", "containerd", "pods", "networks", "settings"]) {
    mkdirSync(join(folder, kept), { recursive: true });
  }
  const { pid } = await makeNamespaces(programs.pause, folder, site.pid);
  const node = new Node({
    ...{ name, folder, pid },
    address: nodeAddress(site.network, number),
    pods: podSubnet(site.network, number),
    commands: commandsOf(folder, programs, name, nodeAddress(site.network, number)),
    ctr: programs.ctr,
    runtime: { deviceOwnership: true, snapshotter: await snapshotterFor(folder) },
    plugins: foldersOf(programs),
  });
  await node.run("sh", "-euc", prepare, name, folder, site.folder, ...foldersOf(programs));
  const others = numbersOf(count).filter((other) => other !== number);
  await connectNode(site.pid, site.network, { pid, number, others });
  await configure(access, site, node);
  return node;
}

/**
 * Makes the folders that the programs expect, without touching this machine's: they are on file
 * systems of the node's own. What these would hide and is needed is brought along.
 */
const prepare = `
  hostname "$0"
  folder=$1
  shift
  mkdir "$folder/stage"
  for hidden in /run /var/lib /var/log; do
    mount -t tmpfs -o mode=755 tmpfs "$folder/stage"
    for needed in "$@"; do
      case $needed in
        "$hidden"/*)
          mkdir -p "$folder/stage/\${needed#"$hidden"}"
          mount --bind "$needed" "$folder/stage/\${needed#"$hidden"}"
          ;;
      esac
    done
    mount --no-mtab --move "$folder/stage" "$hidden"
  done
  mount --make-rshared /
  mkdir /var/lib/kubelet /var/lib/containerd /var/log/pods
  mount --bind "$folder/kubelet" /var/lib/kubelet
  mount --bind "$folder/containerd" /var/lib/containerd
  mount --bind "$folder/pods" /var/log/pods
  for setting in ${machineSettings.join(" ")}; do
    [ -e "/proc/sys/$setting" ] || continue
    copy=$folder/settings/$(echo "$setting" | tr / .)
    cat "/proc/sys/$setting" > "$copy"
    mount --bind "$copy" "/proc/sys/$setting"
  done
`;

function commandsOf(
  folder: string,
  programs: NodePrograms,
  name: string,
  address: string,
): NodeDescription["commands"] {
  const inFolder = (file: string): string => join(folder, file);
  // containerd looks for its shim, and that for runc; the kubelet for mount.
  const path = `PATH=${[...foldersOf(programs), process.env["PATH"], "/usr/sbin", "/sbin"].join(":")}`;
  return {
    containerd: ["env", path, programs.containerd, "--config", inFolder("containerd.toml")],
    kubelet: [
      ...["env", path, programs.kubelet, `--config=${inFolder("kubelet.json")}`],
      `--kubeconfig=${inFolder("kubelet.kubeconfig")}`,
      ...[`--hostname-override=${name}`, `--node-ip=${address}`],
    ],
    "kube-proxy": ["env", path, programs["kube-proxy"], `--config=${inFolder("proxy.json")}`],
  };
}

async function configure(access: Access, site: SiteDescription, node: Node): Promise<void> {
  const { name, folder, address, pods } = node.description;
  const authority = Authority.at(join(access.folder, "keys"));
  const [serving, proxy] = await Promise.all([
    authority.sign(name, `system:node:${name}`, "system:nodes"),
    authority.sign(`${name}-proxy`, "system:kube-proxy"),
  ]);
  const kubeconfig = (file: string, keys: KeyPair): string =>
    writeKubeconfig(join(folder, `${file}.kubeconfig`), access.server, access.caPem, keys);
  const writeJson = (file: string, value: object): void =>
    writeFileSync(join(folder, file), JSON.stringify(value));
  kubeconfig("kubelet", serving);
  const cgroup = `/${site.cgroup}/${name}`;
  makeCgroup(cgroup);
  // There is no DNS, but without any line containerd would copy this machine's file.
  const names = join(folder, "resolv.conf");
  writeFileSync(names, "options attempts:1\n");
  const { certificate } = authority;
  writeJson(
    "kubelet.json",
    kubeletConfig({ address, cgroup, names, authority: certificate, serving }),
  );
  writeJson(
    "proxy.json",
    proxyConfig({
      ...{ name, address },
      kubeconfig: kubeconfig("proxy", proxy),
      pods: wholeSubnet(site.network),
    }),
  );
  const network = podNetwork(node.networks, pods);
  writeFileSync(network.path, network.text);
  node.writeRuntimeConfig();
}

async function startPrograms(admin: Client, node: Node, pause: string): Promise<void> {
  node.start("containerd");
  await node.runtimeReady();
  await node.loadImage(pause);
  node.start("kubelet");
  node.start("kube-proxy");
  await node.ready("kubelet", async () => isReady(admin, node.name));
  const health = `http://${node.description.address}:${proxyHealthPort}/healthz`;
  await node.ready("kube-proxy", async () => (await fetch(health)).ok);
}

/** Whether a node can take pods. */
export async function isReady(admin: Client, name: string): Promise<boolean> {
  const node = await admin.find<ApiNode>(`/api/v1/nodes/${name}`);
  const conditions = node?.status?.conditions ?? [];
  return conditions.some(({ type, status }) => type === "Ready" && status === "True");
}
