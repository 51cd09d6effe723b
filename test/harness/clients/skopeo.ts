/** skopeo pulls, umoci unpacks, runc runs: the plain OCI way, with no storage driver between. */
import { readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { gunzipSync } from "node:zlib";
import pLimit from "p-limit";
import { digestOf } from "../registry-client.ts";
import { removeTree, tempDir } from "../temp.ts";
import { runProgram } from "./program.ts";
import { type Client, type ClientKind, NEEDS, type RunOptions } from "./client.ts";

export const skopeo: ClientKind = { name: "skopeo", needs: NEEDS.skopeo, open };

const POLICY = '{"default":[{"type":"insecureAcceptAnything"}]}';

interface RuntimeConfig {
  process: { terminal: boolean; rlimits: unknown[]; args: string[] };
  linux: { namespaces: { type: string }[] };
  mounts: { type: string; source: string; destination: string; options: string[] }[];
}

async function open(): Promise<Client> {
  const root = await tempDir("skopeo");
  await writeFile(join(root, "policy.json"), POLICY);
  await writeFile(join(root, "auth.json"), "{}");
  const env = { REGISTRY_AUTH_FILE: join(root, "auth.json") };
  const cli = (args: readonly string[]) =>
    runProgram("skopeo", ["--policy", join(root, "policy.json"), ...args], { env });
  const layout = `${root}/oci`;
  const tags = new Map<string, string>();
  const bundles = new Map<string, string>();
  /** It does not lock a layout's index: two copies at once would lose one. */
  const turns = pLimit(1);
  let runs = 0;
  let unpacked = 0;

  const tagOf = (image: string): string => {
    const tag = tags.get(image);
    if (tag === undefined) throw new Error(`${image} has not been pulled`);
    return tag;
  };
  const bundleOf = async (image: string): Promise<string> => {
    const known = bundles.get(image);
    if (known !== undefined) return known;
    // Of its own: the image may be another one, by the same name.
    const bundle = join(root, `bundle-${++unpacked}`);
    await runProgram("umoci", ["unpack", "--image", `${layout}:${tagOf(image)}`, bundle]);
    bundles.set(image, bundle);
    return bundle;
  };
  return {
    name: "skopeo",
    async pull(image, platform) {
      const from = ["--src-tls-verify=false", `docker://${image}`];
      await turns(async () => {
        const tag = tags.get(image) ?? `i${tags.size}`;
        const { before, after } = platformFlags(platform);
        await cli([...before, "copy", "--quiet", ...after, ...from, `oci:${layout}:${tag}`]);
        tags.set(image, tag);
      });
      bundles.delete(image);
    },
    async login(host, user, password) {
      const args = ["login", "--tls-verify=false", "--username", user, "--password-stdin", host];
      await runProgram("skopeo", args, { env, input: password });
    },
    async logout(host) {
      await cli(["logout", host]);
    },
    async architecture(image) {
      const { stdout } = await cli(["inspect", "--config", `oci:${layout}:${tagOf(image)}`]);
      return (JSON.parse(stdout) as { architecture: string }).architecture;
    },
    async diffIds(image, architecture) {
      const { stdout } = await cli(["inspect", "--raw", `oci:${layout}:${tagOf(image)}`]);
      const blob = (digest: string) => readFile(join(layout, "blobs", digest.replace(":", "/")));
      const document = JSON.parse(stdout) as Document;
      const child = document.manifests?.find((one) => one.platform.architecture === architecture);
      const { layers } =
        child === undefined ? document : (JSON.parse(String(await blob(child.digest))) as Document);
      return Promise.all(
        layers.map(async ({ digest }) => digestOf(gunzipSync(await blob(digest)))),
      );
    },
    async run(image, args, options = {}) {
      const bundle = await bundleOf(image);
      const file = join(bundle, "config.json");
      const original = await readFile(file, "utf8");
      await writeFile(
        file,
        JSON.stringify(configure(JSON.parse(original) as RuntimeConfig, args, options)),
      );
      // An ID that no other runc of this machine has: its cgroup is called so, whatever its --root.
      const command = ["run", "--bundle", bundle, `${basename(root)}-${++runs}`];
      const result = await runProgram("runc", ["--root", join(root, "runc"), ...command], {
        reject: false,
      });
      await writeFile(file, original);
      return result;
    },
    close: () => removeTree(root),
  };
}

/** A manifest, or an index. */
interface Document {
  readonly manifests?: readonly { digest: string; platform: { architecture: string } }[];
  readonly layers: readonly { digest: string }[];
}

/** Flags before and after the word `copy`. */
function platformFlags(platform: string | undefined): { before: string[]; after: string[] } {
  if (platform === "all") return { before: [], after: ["--all"] };
  const [os, architecture] = platform?.split("/") ?? [];
  return os === undefined || architecture === undefined
    ? { before: [], after: [] }
    : { before: ["--override-os", os, "--override-arch", architecture], after: [] };
}

/**
 * The bundle's configuration for one run: no terminal, no limits above what the test's own process
 * has.
 */
function configure(
  config: RuntimeConfig,
  args: readonly string[],
  options: RunOptions,
): RuntimeConfig {
  config.process.terminal = false;
  config.process.rlimits = [];
  if (args.length > 0) config.process.args = [...args];
  if (options.hostNetwork === true)
    config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== "network");
  for (const [source, destination] of Object.entries(options.mounts ?? {}))
    config.mounts.push({ type: "bind", source, destination, options: ["rbind", "ro"] });
  return config;
}
