/** Secrets made on this machine, kept in the state directory, readable by its owner only. */
import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { generateOriginKey, publicKeyOf, readOriginKey } from "../channel/key.ts";
import { writeWhole } from "../disk/write-whole.ts";

/** The public half (for ORIGINS) of the origin's private key in `file`, made the first time. */
export async function originPublicKey(file: string): Promise<string> {
  const text = await secretFile(file, () => `${generateOriginKey().privateKey}\n`);
  return publicKeyOf(readOriginKey(text));
}

export interface BucketCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** The local bucket's credentials in `file`: random, made the first time. */
export async function bucketCredentials(file: string): Promise<BucketCredentials> {
  return JSON.parse(await secretFile(file, randomCredentials)) as BucketCredentials;
}

const randomCredentials = (): string =>
  JSON.stringify({
    accessKeyId: randomBytes(16).toString("hex"),
    secretAccessKey: randomBytes(32).toString("hex"),
  } satisfies BucketCredentials);

/**
 * The file's text; made by `make` the first time. Written whole or not at all, and on the disk
 * before anybody uses it: a power cut must not leave an empty key.
 */
async function secretFile(path: string, make: () => string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  const text = make();
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writeWhole(path, (temporary) => writeFile(temporary, text, { flush: true }), 0o600);
  return text;
}
