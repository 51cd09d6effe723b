/** What podman and buildah have in common: storage and configuration of the test's own. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileDigest } from "./file-digest.ts";
import { type RunProgram, type RunResult, runProgram } from "./program.ts";
import { removeTree, tempDir } from "../temp.ts";
import type { Client, RunOptions } from "./client.ts";

/**
 * cgroupfs and no journal: there is no systemd in a container or on a CI machine. runc: crun
 * refuses to run without one. Locks in files below --tmpdir: those in shared memory are one set for
 * all podmans of a machine, which the first two may make at once, and what is not removed one by one
 * keeps them until it restarts.
 */
const CONFIG = `[containers]
default_ulimits = ["nofile=1024:20000", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
lock_type = "file"
runtime = "runc"
`;
const POLICY = '{"default":[{"type":"insecureAcceptAnything"}]}';

export interface Storage {
  readonly client: Pick<Client, "pull" | "login" | "logout" | "diffIds" | "close">;
  /** Flags that let it believe images without signatures. */
  readonly policy: readonly string[];
  cli(args: readonly string[], options?: RunProgram): Promise<RunResult>;
}

/** Flags of one program, where the other does by itself what is wanted. */
export interface OwnFlags {
  readonly global?: (root: string) => readonly string[];
  readonly pull?: readonly string[];
  readonly push?: readonly string[];
}

/** `program`: podman or buildah, which take the same words for the same things. */
export async function openStorage(program: "podman" | "buildah", own: OwnFlags): Promise<Storage> {
  const root = await tempDir(program);
  const { global = () => [], pull = [], push = [] } = own;
  const file = (name: string): string => join(root, name);
  await writeFile(file("containers.conf"), CONFIG);
  await writeFile(file("auth.json"), "{}");
  await writeFile(file("policy.json"), POLICY);
  const env = {
    CONTAINERS_CONF: file("containers.conf"),
    REGISTRY_AUTH_FILE: file("auth.json"),
    BUILDAH_ISOLATION: "oci",
  };
  const storage = [
    "--storage-driver",
    "overlay",
    "--root",
    file("root"),
    "--runroot",
    file("run"),
    ...global(root),
  ];
  const cli = (args: readonly string[], options: RunProgram = {}) =>
    runProgram(program, [...storage, ...args], { env, ...options });
  const policy = ["--signature-policy", file("policy.json")];
  let copies = 0;
  return {
    cli,
    policy,
    client: {
      async pull(image, platform) {
        const wanted = platform === undefined ? [] : ["--platform", platform];
        await cli(["pull", "--quiet", "--tls-verify=false", ...pull, ...policy, ...wanted, image]);
      },
      async login(host, user, password) {
        const args = ["login", "--tls-verify=false", "--username", user, "--password-stdin", host];
        await cli(args, { input: password });
      },
      async logout(host) {
        await cli(["logout", host]);
      },
      /** A copy to a directory has the layers as the storage gives them: uncompressed. */
      async diffIds(image) {
        const copy = file(`copy-${++copies}`);
        await cli(["push", "--quiet", ...push, ...policy, image, `dir:${copy}`]);
        const manifest = JSON.parse(await readFile(join(copy, "manifest.json"), "utf8")) as {
          layers: { digest: string }[];
        };
        return Promise.all(
          manifest.layers.map(({ digest }) => fileDigest(join(copy, digest.split(":")[1] ?? ""))),
        );
      },
      close: () => removeTree(root),
    },
  };
}

/** Flags of `run`, the same for both. */
export const mountFlags = ({ mounts = {} }: RunOptions): string[] =>
  Object.entries(mounts).flatMap(([host, path]) => ["--volume", `${host}:${path}:ro`]);
export const networkFlag = ({ hostNetwork }: RunOptions): string =>
  `--network=${hostNetwork === true ? "host" : "none"}`;
