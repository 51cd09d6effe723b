/** Buildah: pulls as podman does, and makes a working container of an image to run a command in. */
import { type Client, type ClientKind, NEEDS } from "./client.ts";
import { mountFlags, networkFlag, openStorage } from "./containers-storage.ts";

export const buildah: ClientKind = { name: "buildah", needs: NEEDS.buildah, open };

async function open(): Promise<Client> {
  const { cli, client } = await openStorage("buildah", {
    pull: ["--policy", "always"],
    push: ["--disable-compression"],
  });
  return {
    ...client,
    name: "buildah",
    async architecture(image) {
      const format = "{{.OCIv1.Architecture}}";
      return (await cli(["inspect", "--type", "image", "--format", format, image])).stdout;
    },
    async run(image, args, options = {}) {
      const container = (await cli(["from", "--pull-never", image])).stdout;
      const flags = ["--runtime", "runc", networkFlag(options), ...mountFlags(options)];
      const command = ["run", ...flags, container, "--", ...args];
      const result = await cli(command, { reject: false });
      await cli(["rm", container]);
      return result;
    },
  };
}
