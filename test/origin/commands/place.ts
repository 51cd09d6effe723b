/**
 * Where a command is tried: a directory with a cache and an empty home, and `firn` and skopeo in
 * it.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { tempDir } from "../../harness/temp.ts";

const MAIN = join(import.meta.dirname, "../../../origin/main.ts");
const POLICY = '{"default":[{"type":"insecureAcceptAnything"}]}';

export type Place = Awaited<ReturnType<typeof makePlace>>;

export async function makePlace(what: string) {
  const root = await tempDir(what);
  const state = join(root, "cache");
  const docker = join(root, "docker");
  await mkdir(docker);
  await writeFile(join(root, "policy.json"), POLICY);
  const run = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
    execa(process.execPath, [MAIN, ...args], {
      cwd: root,
      env: { FIRN_CACHE: state, DOCKER_CONFIG: docker, ...env },
      stdin: "ignore",
      encoding: "buffer",
      reject: false,
    });
  return {
    root,
    state,
    /** Standard output and error as bytes. */
    firn: run,
    /** The same as text. */
    async firnText(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
      const { exitCode, stdout, stderr } = await run(args, env);
      return { exitCode, stdout: text(stdout), stderr: text(stderr) };
    },
    /** What `docker login` would have kept. */
    async dockerConfig(config: unknown): Promise<void> {
      await writeFile(join(docker, "config.json"), JSON.stringify(config));
    },
    /** skopeo, reading this directory. */
    skopeo: async (...args: readonly string[]): Promise<string> =>
      (await execa("skopeo", ["--policy", join(root, "policy.json"), ...args], { cwd: root }))
        .stdout,
  };
}

export const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
