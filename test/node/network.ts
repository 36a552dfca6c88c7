/**
 * The network of the nodes: a bridge in a namespace of its own, to which every node is connected,
 * and this machine with one link that vanishes with the namespace. Nothing else of this machine's
 * network is touched: no forwarding, no filter rule.
 *
 * What it cannot do: the bridge plugin enforces no NetworkPolicy, so such objects are stored and
 * have no effect; and there is no way out of it, and no DNS.
 */
import { must, run } from "../support/command.ts";
import { mustBeside } from "./namespaces.ts";

/** All addresses that these tests may use: set apart for tests of networks by RFC 2544. */
const networks = Array.from({ length: 64 }, (_, index) => index);

export interface Network {
  /** The name of this machine's end. */
  link: string;
  /** Which of the networks it is. */
  index: number;
}

/** This machine's address. */
export function hostAddress({ index }: Network): string {
  return `198.18.${4 * index}.1`;
}

/** @param number of the node: 1, 2 or 3. */
export function nodeAddress({ index }: Network, number: number): string {
  return `198.18.${4 * index}.${1 + number}`;
}

/** Where the pods of a node have their addresses. */
export function podSubnet({ index }: Network, number: number): string {
  return `198.18.${4 * index + number}.0/24`;
}

/** Where all of them have theirs, and the nodes. */
export function wholeSubnet({ index }: Network): string {
  return `198.18.${4 * index}.0/22`;
}

/**
 * Makes one.
 * @param site the process in whose namespace it is.
 * @throws Error if this machine may not, or has too many of them.
 */
export async function makeNetwork(site: number): Promise<Network> {
  let refusal = "all of their addresses are in use";
  for (const index of networks) {
    const network = { link: `imagediff${index}`, index };
    const used = await must("ip", ["-4", "route", "show", "root", wholeSubnet(network)]);
    if (used.trim() !== "") continue;
    const ends = [network.link, "type", "veth", "peer", "name", "host", "netns", String(site)];
    const added = await run("ip", ["link", "add", ...ends]);
    if (added.exitCode === 0) {
      await connectHost(site, network);
      return network;
    }
    // Another run was faster, or this machine refuses altogether: the last one says which.
    refusal = added.stderr.trim();
  }
  throw new Error(`a network of the nodes cannot be made: ${refusal}`);
}

async function connectHost(site: number, network: Network): Promise<void> {
  await mustBeside(site, ["ip", "link", "add", "lan", "type", "bridge"]);
  await mustBeside(site, ["ip", "link", "set", "lan", "up"]);
  await mustBeside(site, ["ip", "link", "set", "host", "master", "lan", "up"]);
  await must("ip", ["address", "add", `${hostAddress(network)}/24`, "dev", network.link]);
  await must("ip", ["link", "set", network.link, "up"]);
}

/** Connects a node with this machine and with the other nodes, pods included. */
export async function connectNode(
  site: number,
  network: Network,
  node: { pid: number; number: number; others: readonly number[] },
): Promise<void> {
  const { pid, number, others } = node;
  const port = `node-${number}`;
  const ends = [port, "type", "veth", "peer", "name", "eth0", "netns", String(pid)];
  // In the network's namespace only: the process number is one of this machine's.
  await mustBeside(site, ["ip", "link", "add", ...ends], ["--net"]);
  await mustBeside(site, ["ip", "link", "set", port, "master", "lan", "up"]);
  const inNode = async (...args: string[]): Promise<unknown> => mustBeside(pid, ["ip", ...args]);
  await inNode("link", "set", "lo", "up");
  await inNode("address", "add", `${nodeAddress(network, number)}/24`, "dev", "eth0");
  await inNode("link", "set", "eth0", "up");
  await inNode("route", "add", "default", "via", hostAddress(network));
  for (const other of others) {
    await inNode("route", "add", podSubnet(network, other), "via", nodeAddress(network, other));
  }
  const route = [podSubnet(network, number), "via", nodeAddress(network, number)];
  await must("ip", ["route", "add", ...route, "dev", network.link]);
}

/** Removes this machine's end, if it is still there; the kernel does so too, but when it likes. */
export async function removeLink(link: string): Promise<void> {
  const removed = await run("ip", ["link", "delete", link]);
  if (removed.exitCode !== 0 && !/cannot find device/i.test(removed.stderr)) {
    throw new Error(`${link} cannot be removed: ${removed.stderr.trim()}`);
  }
}
