/** Where the programs of a real Kubernetes are: given, built earlier, or built now. */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "../support/command.ts";

export interface Program {
  /** The Go package that it is built from. */
  readonly package: string;
  readonly purpose: string;
}

/** Programs whose versions one go.mod says. */
export interface GoModule<Name extends string> {
  /** Where go.mod is. */
  readonly folder: string;
  /** The name of their folder in the cache: another for every version. */
  readonly version: string;
  readonly programs: Readonly<Record<Name, Program>>;
  /** What the linker writes into them. */
  readonly stamps?: readonly string[];
}

const programs = {
  etcd: { package: "go.etcd.io/etcd/server/v3", purpose: "stores every object" },
  "kube-apiserver": {
    package: "k8s.io/kubernetes/cmd/kube-apiserver",
    purpose: "the API: schemas, admission, permissions, watches",
  },
  "kube-controller-manager": {
    package: "k8s.io/kubernetes/cmd/kube-controller-manager",
    purpose: "makes pods for Jobs, binds claims, collects what has lost its owner",
  },
  "kube-scheduler": {
    package: "k8s.io/kubernetes/cmd/kube-scheduler",
    purpose: "finds a node for each pod",
  },
  kubelet: { package: "k8s.io/kubernetes/cmd/kubelet", purpose: "runs the pods of a node" },
  "kube-proxy": {
    package: "k8s.io/kubernetes/cmd/kube-proxy",
    purpose: "brings what a node sends to a service to one of its endpoints",
  },
  kubectl: { package: "k8s.io/kubernetes/cmd/kubectl", purpose: "what a user types" },
} satisfies Record<string, Program>;

export type ProgramName = keyof typeof programs;

/** Which 1.x; as in go.mod. */
const leastGo = 26;

const folder = fileURLToPath(new URL(".", import.meta.url));

/** Such as `1.36.3`: what go.mod asks for. */
export const kubernetesVersion = ((): string => {
  const text = readFileSync(join(folder, "go.mod"), "utf8");
  const version = /^\s*k8s\.io\/kubernetes v(\S+)/m.exec(text)?.[1];
  if (version === undefined) throw new Error(`${folder}go.mod does not name k8s.io/kubernetes`);
  return version;
})();

const kubernetes: GoModule<ProgramName> = {
  folder,
  version: `kubernetes-${kubernetesVersion}`,
  programs,
  stamps: ["k8s.io/component-base", "k8s.io/client-go/pkg"].map(
    (owner) => `-X ${owner}/version.gitVersion=v${kubernetesVersion}`,
  ),
};

/**
 * The paths of programs of Kubernetes; see `programsOf`.
 * @throws Error that says what to install or to set, where there is no Go to build with.
 */
export async function binaries<Name extends ProgramName>(
  ...names: readonly Name[]
): Promise<Record<Name, string>> {
  return programsOf<ProgramName, Name>(kubernetes, names);
}

/**
 * The paths of a module's programs. What is neither in `KUBEBUILDER_ASSETS` nor in the cache
 * is built, which takes minutes and is said on standard error.
 * @throws Error that says what to install or to set, where there is no Go to build with.
 */
export async function programsOf<All extends string, Name extends All>(
  module: GoModule<All>,
  names: readonly Name[],
): Promise<Record<Name, string>> {
  const paths = {} as Record<Name, string>;
  for (const name of names) paths[name] = given(name) ?? (await built(module, name));
  return paths;
}

function given(name: string): string | undefined {
  const assets = process.env["KUBEBUILDER_ASSETS"];
  if (assets === undefined || assets === "") return undefined;
  const path = join(assets, name);
  return existsSync(path) ? path : undefined;
}

/** Programs that were built once stay here for every later run. */
function cacheFolder({ version }: GoModule<string>): string {
  const cache = process.env["XDG_CACHE_HOME"];
  const parent = cache === undefined || cache === "" ? join(homedir(), ".cache") : cache;
  return join(parent, "imagediff", version);
}

async function built<Name extends string>(module: GoModule<Name>, name: Name): Promise<string> {
  const path = join(cacheFolder(module), name);
  if (!existsSync(path)) {
    await requireGo(module, name);
    await build(module, name, path);
  }
  return path;
}

/** Runs Go in the folder of go.mod, whatever the user's own settings are. */
async function go(
  { folder: cwd }: GoModule<string>,
  program: string,
  args: readonly string[],
): ReturnType<typeof run> {
  const env = { CGO_ENABLED: "0", GOFLAGS: "-mod=readonly", GOWORK: "off", GO111MODULE: "on" };
  return run(program, args, { cwd, env });
}

/** The program for this machine, as the Kubernetes project offers it. */
function download(name: ProgramName): string {
  const architecture = process.arch === "arm64" ? "arm64" : "amd64";
  return `https://dl.k8s.io/v${kubernetesVersion}/bin/linux/${architecture}/${name}`;
}

async function requireGo(module: GoModule<string>, name: string): Promise<void> {
  // Go since 1.21 fetches the version that go.mod asks for, where it is older itself.
  const answer = await go(module, "go", ["env", "GOVERSION"]).catch((why: unknown) => String(why));
  const [version, why] =
    typeof answer === "string" ? ["", answer] : [answer.stdout, answer.stdout + answer.stderr];
  if (Number(/^go1\.(\d+)/.exec(version)?.[1]) >= leastGo) return;
  throw new Error(
    `The tests with a real Kubernetes need ${name}: put Go 1.${leastGo} (https://go.dev/dl) on ` +
      "the PATH, which builds it once, or set KUBEBUILDER_ASSETS to a folder that has it " +
      "(`setup-envtest use` brings etcd, kube-apiserver and kubectl; kube-controller-manager " +
      `is at ${download("kube-controller-manager")}). This machine's Go says: ${why.trim()}`,
  );
}

async function build<Name extends string>(
  module: GoModule<Name>,
  name: Name,
  path: string,
): Promise<void> {
  const cache = cacheFolder(module);
  mkdirSync(cache, { recursive: true });
  const { purpose, package: source } = module.programs[name];
  process.stderr.write(
    `Building ${name} (${purpose}) into ${cache}, once. ` +
      "All together take five to ten minutes on two cores; the first build also downloads.\n",
  );
  // Whoever waits for the lock finds the other's build, and a build that ends halfway leaves no
  // program. The kernel drops the lock of one that is killed.
  const script =
    '[ -e "$1" ] || { go build -trimpath -ldflags "$2" -o "$1.new" "$3" && mv "$1.new" "$1"; }';
  const begun = Date.now();
  const ended = await go(module, "flock", [
    ...[join(cache, ".lock"), "sh", "-c", script, "build"],
    ...[path, ["-s", "-w", ...(module.stamps ?? [])].join(" "), source],
  ]);
  if (ended.exitCode !== 0) throw new Error(`${name} cannot be built: ${ended.stderr.trim()}`);
  const seconds = Math.round((Date.now() - begun) / 1000);
  process.stderr.write(`${name} was built in ${seconds} s.\n`);
}
