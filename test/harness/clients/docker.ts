/**
 * Docker: a dockerd of the test's own, without bridge and iptables, so that it needs no rights over
 * the machine's network.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { startDaemon } from "../daemon.ts";
import { removeTree, tempDir } from "../temp.ts";
import { type Client, type ClientKind, NEEDS } from "./client.ts";

export const docker: ClientKind = { name: "docker", needs: NEEDS.docker, open };

async function open(): Promise<Client> {
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
    execa("docker", args, { env, stdin: "ignore", reject });
  const daemon = await startDaemon(
    command,
    {},
    async () => (await cli(["version"], false)).exitCode === 0,
  ).catch(async (error: unknown) => {
    await removeTree(root);
    throw error;
  });
  return {
    name: "docker",
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
      await execa("docker", args, { env, input: password });
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
    async run(image, args, options = {}) {
      const mounts = Object.entries(options.mounts ?? {}).flatMap(([host, path]) => [
        "--volume",
        `${host}:${path}:ro`,
      ]);
      const result = await cli(
        [
          "run",
          "--rm",
          `--network=${options.hostNetwork === true ? "host" : "none"}`,
          ...mounts,
          image,
          ...args,
        ],
        false,
      );
      return { exitCode: result.exitCode ?? -1, stdout: result.stdout, stderr: result.stderr };
    },
    async close() {
      await daemon.stop();
      await removeTree(root);
    },
  };
}
