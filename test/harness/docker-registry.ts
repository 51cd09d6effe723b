/** Debian's docker-registry, on a free port of 127.0.0.1: what images are pushed to. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Need } from "../../origin/local/needs.ts";
import { ownPort } from "./ports.ts";
import { startDaemon } from "./daemon.ts";
import { removeTree, tempDir } from "./temp.ts";

export const DOCKER_REGISTRY: Need = {
  command: "docker-registry",
  debian: "docker-registry",
  purpose: "takes the images that tests push",
};

export interface DockerRegistry {
  readonly url: string;
  readonly host: string;
  /** Its log so far: a line for each request. */
  log(): string;
  stop(): Promise<void>;
}

/** `user` with this password alone may use it: bcrypt of `correct horse battery`. */
export const PASSWORD = "correct horse battery";
const HTPASSWD = "ci:$2b$04$abcdefghijklmnopqrstuuqREtd3VJD2QVZbuFskFSLk6eRIrQoOS\n";

/** `auth`: the section of its configuration as YAML (as JSON); `htpasswd` for the account `ci`. */
export async function startDockerRegistry(
  auth?: "htpasswd" | Readonly<Record<string, unknown>>,
): Promise<DockerRegistry> {
  const root = await tempDir("registry");
  const port = await ownPort();
  const url = `http://127.0.0.1:${port}`;
  await mkdir(join(root, "data"));
  await writeFile(join(root, "htpasswd"), HTPASSWD);
  const section =
    auth === "htpasswd" ? { htpasswd: { realm: "test", path: join(root, "htpasswd") } } : auth;
  const config = {
    version: 0.1,
    log: { accesslog: { disabled: false } },
    storage: { filesystem: { rootdirectory: join(root, "data") } },
    http: { addr: `127.0.0.1:${port}`, secret: "no secret" },
    ...(section === undefined ? {} : { auth: section }),
  };
  await writeFile(join(root, "config.yml"), JSON.stringify(config));
  const daemon = await startDaemon(
    ["docker-registry", "serve", join(root, "config.yml")],
    { OTEL_TRACES_EXPORTER: "none" },
    async () => (await fetch(`${url}/v2/`).catch(() => undefined)) !== undefined,
  );
  return {
    url,
    host: `127.0.0.1:${port}`,
    log: () => daemon.output(),
    async stop() {
      await daemon.stop();
      await removeTree(root);
    },
  };
}
