/** Podman: no daemon; its storage and configuration are the test's own. */
import { join } from "node:path";
import { type Client, type ClientKind, NEEDS } from "./client.ts";
import { mountFlags, networkFlag, openStorage } from "./containers-storage.ts";

export const podman: ClientKind = { name: "podman", needs: NEEDS.podman, open };

async function open(): Promise<Client> {
  const { cli, policy, client } = await openStorage("podman", {
    global: (root) => ["--tmpdir", join(root, "tmp")],
  });
  return {
    ...client,
    name: "podman",
    async load(archive) {
      await cli(["load", "--quiet", ...policy, "--input", archive]);
    },
    async architecture(image) {
      const { stdout } = await cli(["image", "inspect", "--format", "{{.Architecture}}", image]);
      return stdout;
    },
    async run(image, args, options = {}) {
      const flags = ["--rm", "--pull=never", networkFlag(options), ...mountFlags(options)];
      return await cli(["run", ...flags, image, ...args], { reject: false });
    },
  };
}
