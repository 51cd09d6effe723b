/** What the commands that talk to registries share: signing in, names, the answers' words. */
import { InvalidName, parseImageName, splitImageName } from "../../edge/contract/names.ts";
import { findCredentials, type Credentials } from "../remote/credentials.ts";
import { splitReference } from "../remote/reference.ts";
import { Registry } from "../remote/registry.ts";
import { CommandFailed } from "./exit-codes.ts";
import type { Progress } from "./progress.ts";

/** What hears of a command's requests, and ends them. */
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

/** A name and its tag or digest. Throws a CommandFailed for a tag or digest that none can be. */
export function nameAndReference(text: string): ReturnType<typeof splitReference> {
  try {
    return splitReference(text);
  } catch (error) {
    throw new CommandFailed("usage", (error as Error).message);
  }
}

/** A name of an image of Firn's and its tag or digest. Throws a CommandFailed. */
export function imageName(text: string): ReturnType<typeof splitReference> {
  const split = nameAndReference(text);
  try {
    // What an alias stands for the registry knows, and says what is wrong with it.
    if (splitImageName(split.name).aliases.length === 0) parseImageName(split.name);
    return split;
  } catch (error) {
    if (error instanceof InvalidName) throw new CommandFailed("usage", error.message);
    throw error;
  }
}
