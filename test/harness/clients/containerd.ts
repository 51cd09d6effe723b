/** containerd with ctr: a containerd of the test's own. */
import type { Client, ClientKind } from "./client.ts";
import { NEEDS } from "./client.ts";
import { startContainerd, storedImage } from "./containerd-daemon.ts";

export const containerd: ClientKind = { name: "containerd", needs: NEEDS.containerd, open };

async function open(): Promise<Client> {
  const daemon = await startContainerd({ cri: false, namespace: "default" });
  const { ctr } = daemon;
  /** By registry: ctr keeps no credentials, each pull is given them. */
  const credentials = new Map<string, string>();
  const userOf = (image: string): string[] => {
    const user = credentials.get(image.split("/")[0] ?? "");
    return user === undefined ? [] : ["--user", user];
  };
  /** The architecture that each image was pulled for last. */
  const pulledFor = new Map<string, string>();
  const stored = (image: string, architecture = pulledFor.get(image) ?? "amd64") =>
    storedImage(daemon, full(image), architecture);
  return {
    name: "containerd",
    async pull(image, platform) {
      await ctr([
        "images",
        "pull",
        "--plain-http",
        ...userOf(image),
        ...platformFlags(platform),
        full(image),
      ]);
      pulledFor.set(image, platform?.split("/")[1] ?? "amd64");
    },
    login(host, user, password) {
      credentials.set(host, `${user}:${password}`);
      return Promise.resolve();
    },
    logout(host) {
      credentials.delete(host);
      return Promise.resolve();
    },
    architecture: async (image) => (await stored(image)).config.architecture,
    diffIds: async (image, architecture) => (await stored(image, architecture)).diffIds(),
    async run(image, args, options = {}) {
      const mounts = Object.entries(options.mounts ?? {}).flatMap(([host, path]) => [
        "--mount",
        `type=bind,src=${host},dst=${path},options=rbind:ro`,
      ]);
      const { platform } = options;
      const flags = [
        ...(platform === undefined ? [] : ["--platform", platform]),
        ...(options.hostNetwork === true ? ["--net-host"] : []),
        ...mounts,
      ];
      return await daemon.run(full(image), args, flags);
    },
    close: () => daemon.stop(),
  };
}

function platformFlags(platform: string | undefined): string[] {
  if (platform === undefined) return [];
  return platform === "all" ? ["--all-platforms"] : ["--platform", platform];
}

/** ctr knows no default tag. */
const full = (image: string): string => (/:[^/]*$|@/.test(image) ? image : `${image}:latest`);
