/** containerd with ctr: a containerd of the test's own. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { startDaemon } from "../daemon.ts";
import { removeTree, tempDir } from "../temp.ts";
import { type Client, type ClientKind, NEEDS } from "./client.ts";

export const containerd: ClientKind = { name: "containerd", needs: NEEDS.containerd, open };

async function open(): Promise<Client> {
  const root = await tempDir("ctr");
  const address = join(root, "sock");
  const config = join(root, "config.toml");
  await writeFile(
    config,
    `version = 2
root = "${join(root, "root")}"
state = "${join(root, "state")}"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "${address}"
[ttrpc]
address = "${address}.ttrpc"
`,
  );
  const ctr = (args: readonly string[], reject = true) =>
    execa("ctr", ["--address", address, ...args], { stdin: "ignore", reject });
  const daemon = await startDaemon(
    ["containerd", "--config", config],
    {},
    async () => (await ctr(["version"], false)).exitCode === 0,
  ).catch(async (error: unknown) => {
    await removeTree(root);
    throw error;
  });
  let runs = 0;
  /** By registry: ctr keeps no credentials, each pull is given them. */
  const credentials = new Map<string, string>();
  const userOf = (image: string): string[] => {
    const user = credentials.get(image.split("/")[0] ?? "");
    return user === undefined ? [] : ["--user", user];
  };
  return {
    name: "containerd",
    async pull(image, platform) {
      await ctr([
        "images",
        "pull",
        "--plain-http",
        ...userOf(image),
        ...(platform === undefined ? [] : ["--platform", platform]),
        full(image),
      ]);
    },
    login(host, user, password) {
      credentials.set(host, `${user}:${password}`);
      return Promise.resolve();
    },
    logout(host) {
      credentials.delete(host);
      return Promise.resolve();
    },
    async architecture(image) {
      const { stdout } = await ctr(["images", "list", `name==${full(image)}`]);
      return /linux\/(\w+)/.exec(stdout)?.[1] ?? "";
    },
    async run(image, args, options = {}) {
      const mounts = Object.entries(options.mounts ?? {}).flatMap(([host, path]) => [
        "--mount",
        `type=bind,src=${host},dst=${path},options=rbind:ro`,
      ]);
      const flags = ["--rm", ...(options.hostNetwork === true ? ["--net-host"] : []), ...mounts];
      const result = await ctr(["run", ...flags, full(image), `run-${++runs}`, ...args], false);
      return { exitCode: result.exitCode ?? -1, stdout: result.stdout, stderr: result.stderr };
    },
    async close() {
      await daemon.stop();
      await removeTree(root);
    },
  };
}

/** ctr knows no default tag. */
const full = (image: string): string => (/:[^/]*$|@/.test(image) ? image : `${image}:latest`);
