/**
 * Docker: a dockerd of the test's own, without bridge and iptables, so that it needs no rights over
 * the machine's network.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileDigest } from "./file-digest.ts";
import { startDaemon } from "../daemon.ts";
import { removeTree, tempDir } from "../temp.ts";
import { runProgram } from "./program.ts";
import { type Client, type ClientKind, NEEDS, type RunResult } from "./client.ts";

export const docker: ClientKind = { name: "docker", needs: NEEDS.docker, open: openDocker };

export interface Docker extends Client {
  /** Any command of docker's. Throws with docker's own words when it fails. */
  cli(args: readonly string[]): Promise<RunResult>;
}

/** A dockerd of the caller's own, and the environment in which `docker` uses it. */
export async function startDockerd() {
  const root = await tempDir("docker");
  const config = join(root, "daemon.json");
  await writeFile(config, "{}");
  await mkdir(join(root, "client"));
  const socket = `unix://${join(root, "docker.sock")}`;
  const env = { DOCKER_HOST: socket, DOCKER_CONFIG: join(root, "client") };
  const paths = [
    "--data-root",
    join(root, "data"),
    "--exec-root",
    join(root, "exec"),
    "--pidfile",
    join(root, "pid"),
  ];
  const network = ["--iptables=false", "--ip6tables=false", "--bridge=none", "--ip-masq=false"];
  const command: readonly [string, ...string[]] = [
    "dockerd",
    "--config-file",
    config,
    "-H",
    socket,
    ...paths,
    "--storage-driver=overlay2",
    ...network,
  ];
  const cli = (args: readonly string[], reject = true) =>
    runProgram("docker", args, { env, reject });
  const daemon = await startDaemon(
    command,
    // dockerd asks a containerd that is slow to answer for its stacks, which go to TMPDIR.
    { TMPDIR: root },
    async () => (await cli(["version"], false)).exitCode === 0,
  ).catch(async (error: unknown) => {
    await removeTree(root);
    throw error;
  });
  return {
    root,
    env,
    cli,
    async stop() {
      await daemon.stop();
      await removeTree(root);
    },
  };
}

export async function openDocker(): Promise<Docker> {
  const { root, env, cli, stop } = await startDockerd();
  let copies = 0;
  return {
    name: "docker",
    cli,
    async pull(image, platform) {
      await cli([
        "pull",
        "--quiet",
        ...(platform === undefined ? [] : ["--platform", platform]),
        image,
      ]);
    },
    async login(host, user, password) {
      const args = ["login", "--username", user, "--password-stdin", host];
      await runProgram("docker", args, { env, input: password });
    },
    async logout(host) {
      await cli(["logout", host]);
    },
    async load(archive) {
      await cli(["load", "--quiet", "--input", archive]);
    },
    async architecture(image) {
      return (await cli(["image", "inspect", "--format", "{{.Architecture}}", image])).stdout;
    },
    /** `docker save` writes each layer as it was unpacked from, and in order. */
    async diffIds(image) {
      const copy = join(root, `copy-${++copies}`);
      await mkdir(copy);
      // Of a name alone it would save what every tag and digest of it means.
      const one = /[:@][^/]*$/.test(image) ? image : `${image}:latest`;
      await cli(["save", "--output", `${copy}.tar`, one]);
      await runProgram("tar", ["--extract", "--file", `${copy}.tar`, "--directory", copy]);
      const [saved] = JSON.parse(await readFile(join(copy, "manifest.json"), "utf8")) as [
        { Layers: string[] },
      ];
      return Promise.all(saved.Layers.map((layer) => fileDigest(join(copy, layer))));
    },
    async run(image, args, options = {}) {
      const mounts = Object.entries(options.mounts ?? {}).flatMap(([host, path]) => [
        "--volume",
        `${host}:${path}:ro`,
      ]);
      return await cli(
        [
          "run",
          "--rm",
          ...(options.platform === undefined ? [] : ["--platform", options.platform]),
          `--network=${options.hostNetwork === true ? "host" : "none"}`,
          ...mounts,
          image,
          ...args,
        ],
        false,
      );
    },
    close: stop,
  };
}
