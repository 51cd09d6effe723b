/** Podman: no daemon; its storage and configuration are the test's own. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { removeTree, tempDir } from "../temp.ts";
import { type Client, type ClientKind, NEEDS } from "./client.ts";

export const podman: ClientKind = { name: "podman", needs: NEEDS.podman, open };

/**
 * cgroupfs and no journal: there is no systemd in a container or on a CI machine. runc: crun
 * refuses to run without one.
 */
const CONFIG = `[containers]
default_ulimits = ["nofile=1024:20000", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
runtime = "runc"
`;
const POLICY = '{"default":[{"type":"insecureAcceptAnything"}]}';

async function open(): Promise<Client> {
  const root = await tempDir("podman");
  const file = (name: string): string => join(root, name);
  await writeFile(file("containers.conf"), CONFIG);
  await writeFile(file("auth.json"), "{}");
  await writeFile(file("policy.json"), POLICY);
  const env = { CONTAINERS_CONF: file("containers.conf"), REGISTRY_AUTH_FILE: file("auth.json") };
  const storage = [
    "--storage-driver",
    "overlay",
    "--root",
    file("root"),
    "--runroot",
    file("run"),
    "--tmpdir",
    file("tmp"),
  ];
  const cli = (args: readonly string[], reject = true) =>
    execa("podman", [...storage, ...args], { env, stdin: "ignore", reject });
  return {
    name: "podman",
    async pull(image, platform) {
      await cli([
        "pull",
        "--quiet",
        "--tls-verify=false",
        "--signature-policy",
        file("policy.json"),
        ...(platform === undefined ? [] : ["--platform", platform]),
        image,
      ]);
    },
    async login(host, user, password) {
      const args = ["login", "--tls-verify=false", "--username", user, "--password-stdin", host];
      await execa("podman", [...storage, ...args], { env, input: password });
    },
    async logout(host) {
      await cli(["logout", host]);
    },
    async load(archive) {
      await cli(["load", "--quiet", "--signature-policy", file("policy.json"), "--input", archive]);
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
          "--pull=never",
          `--network=${options.hostNetwork === true ? "host" : "none"}`,
          ...mounts,
          image,
          ...args,
        ],
        false,
      );
      return { exitCode: result.exitCode ?? -1, stdout: result.stdout, stderr: result.stderr };
    },
    close: () => removeTree(root),
  };
}
