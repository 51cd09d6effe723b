/** What commands share that use registries: signing in, and names of images. */
import { InvalidName, parseImageName, splitImageName } from "../../edge/contract/names.ts";
import { findCredentials, type Credentials } from "../remote/credentials.ts";
import { splitReference } from "../remote/reference.ts";
import { Registry } from "../remote/registry.ts";
import { CommandFailed } from "./exit-codes.ts";
import type { Progress } from "./progress.ts";

/** The progress of a command, and the signal that ends its requests. */
export interface Work {
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** A connection to any registry, with what `docker login` has kept for its host. */
export async function openRegistry(
  { url, host = url.host }: { readonly url: URL; readonly host?: string },
  work: Work,
): Promise<Registry> {
  return connection(url, await findCredentials(host, process.env), work);
}

/** A connection to an edge: with the account of FIRN_USER and FIRN_PASSWORD, where they are set. */
export async function openEdge(url: URL, work: Work): Promise<Registry> {
  const { FIRN_USER: user, FIRN_PASSWORD: password } = process.env;
  return user && password ? connection(url, { user, password }, work) : openRegistry({ url }, work);
}

const connection = (
  url: URL,
  credentials: Credentials | undefined,
  { progress, signal }: Work,
): Registry =>
  new Registry({ url, credentials, signal, onRetry: (message) => progress.note(message) });

/** Splits a name and its tag or digest. Throws a CommandFailed when one is not valid. */
export function nameAndReference(text: string): ReturnType<typeof splitReference> {
  try {
    return splitReference(text);
  } catch (error) {
    throw new CommandFailed("usage", (error as Error).message);
  }
}

/** The same for images of Firn, whose names are checked as well. */
export function imageName(text: string): ReturnType<typeof splitReference> {
  const split = nameAndReference(text);
  try {
    // The registry checks names with aliases, which it can resolve.
    if (splitImageName(split.name).aliases.length === 0) parseImageName(split.name);
    return split;
  } catch (error) {
    if (error instanceof InvalidName) throw new CommandFailed("usage", error.message);
    throw error;
  }
}
