/**
 * Media types that this registry serves (OCI image spec, media-types.md; docker's "Image Manifest
 * Version 2, Schema 2").
 */
export const OCI_INDEX = "application/vnd.oci.image.index.v1+json";
export const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
export const OCI_CONFIG = "application/vnd.oci.image.config.v1+json";
export const OCI_LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip";
export const OCI_LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd";
export const DOCKER_MANIFEST_LIST = "application/vnd.docker.distribution.manifest.list.v2+json";
export const DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";
export const DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json";
export const DOCKER_LAYER_GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip";
/**
 * Every type of manifest, in the order of the server's preference: first an index (which offers
 * zstd to clients that know it), then OCI's, then docker's.
 */
export const MANIFEST_TYPES: readonly string[] = [
  OCI_INDEX,
  DOCKER_MANIFEST_LIST,
  OCI_MANIFEST,
  DOCKER_MANIFEST,
];
/** The attribute names of a package set, see package-index.ts. */
export const PACKAGE_INDEX = "application/vnd.firn.index.v1+json";
export const PACKAGE_ABOUT = "application/vnd.firn.about.v1+text";
/** The file listing of a package, see listing.ts. */
export const LISTING = "application/vnd.firn.listing.v1+jsonl";
/** The closure of a package, see closure.ts. */
export const CLOSURE = "application/vnd.firn.closure.v1+json+gzip";
/** Text for people: a build's log. */
export const TEXT = "text/plain; charset=utf-8";
