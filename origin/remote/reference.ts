/**
 * Names of images at registries, as docker writes them: `registry.example/team/app:1`,
 * `127.0.0.1:5000/app`, `team/app` (Docker Hub's). A tag or digest may be left out: `latest`.
 */
import { isLoopback } from "../../edge/contract/loopback.ts";
import { TAG_PATTERN } from "../../edge/contract/names.ts";

export interface RemoteImage {
  readonly registry: URL;
  /** The host as in image names, by which credentials are stored: `registry.example`. */
  readonly host: string;
  readonly repository: string;
  /** A tag, or a digest. */
  readonly reference: string;
}

const HUB = "docker.io";
const HUB_REGISTRY = "registry-1.docker.io";
/** Distribution spec, "Pulling manifests". */
const REPOSITORY = /^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;

/**
 * Parses a name. `plainHttp`: without TLS, as for loopback hosts always. Throws an Error when it is
 * not valid.
 */
export function parseRemoteImage(text: string, plainHttp = false): RemoteImage {
  const { name, reference } = splitReference(text);
  const [first = "", ...rest] = name.split("/");
  const named = /[.:]/.test(first) || first === "localhost";
  const host = named ? first : HUB;
  const repository = named ? rest.join("/") : name;
  // Repositories of Docker Hub without a namespace belong to Docker.
  if (!REPOSITORY.test(repository) || (!named && rest.length === 0))
    throw new Error(
      `${JSON.stringify(text)} is no image at a registry: write REGISTRY/REPOSITORY:TAG, the ` +
        `repository in lower case`,
    );
  const protocol = plainHttp || isLoopback(hostnameOf(host)) ? "http" : "https";
  const registry = URL.parse(`${protocol}://${host === HUB ? HUB_REGISTRY : host}`);
  if (registry === null) throw new Error(`${JSON.stringify(host)} is no host of a registry`);
  return { registry, host, repository, reference };
}

const hostnameOf = (host: string): string => URL.parse(`http://${host}`)?.hostname ?? host;

/**
 * Splits `NAME[:TAG]`, `NAME@DIGEST` and `NAME:TAG@DIGEST` (in which the tag is ignored, as by
 * docker). Throws an Error for an invalid tag or digest.
 */
export function splitReference(text: string): { name: string; reference: string } {
  const at = text.indexOf("@");
  const colon = text.indexOf(":", text.lastIndexOf("/") + 1);
  if (at !== -1) {
    const digest = text.slice(at + 1);
    if (!DIGEST.test(digest)) throw new Error(`${JSON.stringify(digest)} is no sha256 digest`);
    return { name: splitReference(text.slice(0, at)).name, reference: digest };
  }
  if (colon === -1) return { name: text, reference: "latest" };
  const tag = text.slice(colon + 1);
  if (!TAG_PATTERN.test(tag)) throw new Error(`${JSON.stringify(tag)} is no tag`);
  return { name: text.slice(0, colon), reference: tag };
}
