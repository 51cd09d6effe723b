/**
 * Where an image is written to, in the syntax of skopeo and podman:
 *
 *   oci:DIR[:TAG]               a directory; several images share its blobs
 *   oci-archive:FILE[:TAG]      the same as a tar
 *   docker-archive:FILE[:REF]   for `docker load` and `podman load`: an OCI layout with a
 *                               manifest.json beside it, as docker's own `save` writes it, so that
 *                               the image keeps the digest that it has in a registry
 *   -                           a docker-archive on standard output
 */
export type Output =
  | { readonly kind: "oci"; readonly directory: string; readonly reference: string | undefined }
  | {
      readonly kind: "oci-archive" | "docker-archive";
      readonly file: string;
      readonly reference: string | undefined;
    }
  | { readonly kind: "stdout" };

const FORMS = "oci:DIR, oci-archive:FILE, docker-archive:FILE or -";

/** Parses an output. Throws an Error that names the forms. */
export function parseOutput(text: string): Output {
  if (text === "-") return { kind: "stdout" };
  const [kind = "", path = "", ...rest] = text.split(":");
  const reference = rest.length === 0 ? undefined : rest.join(":");
  if (path === "" || reference === "")
    throw new Error(`${JSON.stringify(text)} is none of ${FORMS}`);
  if (kind === "oci") return { kind, directory: path, reference };
  if (kind === "oci-archive" || kind === "docker-archive") return { kind, file: path, reference };
  throw new Error(`${JSON.stringify(text)} is none of ${FORMS}`);
}
