/** `firn signing-key`: makes the key that a registry signs its images with (SIGNING_KEY). */
import { generateKeyPairSync } from "node:crypto";
import { chmodSync, writeFileSync } from "node:fs";
import type { Command } from "@commander-js/extra-typings";
import { EXIT_HELP } from "./exit-codes.ts";

const HELP = `
Examples:
  firn signing-key --out registry.key > registry.pub
  wrangler secret put SIGNING_KEY < registry.key
  cosign verify --key registry.pub --insecure-ignore-tlog HOST/git

The key is ECDSA on P-256 with SHA-256. Another key makes other signatures of the same images: what was
verified with the old one is verified with the new one once the registry has it.

${EXIT_HELP}`;

/** Adds `firn signing-key`. */
export function addSigningKeyCommand(program: Command): void {
  program
    .command("signing-key")
    .description(
      "make the key that a registry signs with: the private half into a file, the public half, " +
        "which cosign takes, on standard output",
    )
    .requiredOption("--out <file>", "where the private key goes; must not exist")
    .addHelpText("after", HELP)
    .action(({ out }) => {
      const { privateKey, publicKey } = generateKeyPairSync("ec", {
        namedCurve: "P-256",
        privateKeyEncoding: { type: "pkcs8", format: "pem" },
        publicKeyEncoding: { type: "spki", format: "pem" },
      });
      writeSecret(out, privateKey);
      process.stdout.write(publicKey);
    });
}

/** Writes a file for its owner alone. Throws an Error when it exists: keys are not replaced. */
export function writeSecret(file: string, text: string): void {
  try {
    writeFileSync(file, text, { flag: "wx", mode: 0o600 });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== "EEXIST") throw new Error(`cannot write ${file}: ${message}`, { cause: error });
    throw new Error(
      `${file} exists already: name another file, or delete it if nothing uses that key`,
      { cause: error },
    );
  }
  chmodSync(file, 0o600);
}
