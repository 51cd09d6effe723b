/**
 * A real container client, as tests use it: each has its own storage and, where it needs one, its
 * own daemon.
 */
import type { Need } from "../../../origin/local/needs.ts";
import type { RunResult } from "./program.ts";

export type { RunResult };

export interface RunOptions {
  /**
   * The machine's own network, to reach servers on 127.0.0.1. Without it the container has no
   * network.
   */
  readonly hostNetwork?: boolean;
  /** Host directory → path in the container, read-only. */
  readonly mounts?: Readonly<Record<string, string>>;
  /** Of the pulled image; the machine's own when left out. */
  readonly platform?: string;
}

/** `image`: `127.0.0.1:8787/shell/git`, with `:tag` or `@digest` or neither. */
export interface Client {
  readonly name: string;
  /**
   * `platform`: `linux/arm64`; the machine's own when left out; `all`, where the client can. Throws
   * with the client's own words when it fails.
   */
  pull(image: string, platform?: string): Promise<void>;
  /** Signs in at a registry (`127.0.0.1:8787`). Throws with the client's own words. */
  login(host: string, user: string, password: string): Promise<void>;
  logout(host: string): Promise<void>;
  /** Takes an archive's images, where the client can: `docker load`. */
  load?(archive: string): Promise<void>;
  /** The OCI architecture of a pulled image; of the one pulled last where it has several. */
  architecture(image: string): Promise<string>;
  /**
   * SHA-256 of each layer's bytes, uncompressed, lowest first: read back from the client's own
   * storage, not from what it says of them. `architecture`: of an image pulled for `all`.
   */
  diffIds(image: string, architecture?: string): Promise<readonly string[]>;
  /** Runs a command in a pulled image. */
  run(image: string, command: readonly string[], options?: RunOptions): Promise<RunResult>;
  close(): Promise<void>;
}

export interface ClientKind {
  readonly name: string;
  readonly needs: readonly Need[];
  open(): Promise<Client>;
}

const RUNC: Need = { command: "runc", debian: "runc", purpose: "runs containers" };
const IPTABLES: Need = { command: "iptables", debian: "iptables", purpose: "dockerd looks for it" };

/**
 * Runs a program of an arm64 image on another machine, without the kernel's help: `qemu program`.
 */
export const QEMU: Need = {
  command: "qemu-aarch64-static",
  debian: "qemu-user-static",
  purpose: "runs arm64 programs",
};

/** By client name: what Debian must have installed. */
export const NEEDS = {
  docker: [
    { command: "dockerd", debian: "docker.io", purpose: "a client" },
    { command: "docker", debian: "docker.io", purpose: "a client" },
    RUNC,
    IPTABLES,
  ],
  containerd: [
    { command: "containerd", debian: "containerd", purpose: "a client" },
    { command: "ctr", debian: "containerd", purpose: "a client" },
    RUNC,
  ],
  podman: [
    { command: "podman", debian: "podman", purpose: "a client" },
    { command: "conmon", debian: "conmon", purpose: "podman's monitor" },
    RUNC,
  ],
  buildah: [{ command: "buildah", debian: "buildah", purpose: "a client" }, RUNC],
  skopeo: [
    { command: "skopeo", debian: "skopeo", purpose: "a client" },
    { command: "umoci", debian: "umoci", purpose: "unpacks images" },
    RUNC,
  ],
} as const satisfies Record<string, readonly Need[]>;
