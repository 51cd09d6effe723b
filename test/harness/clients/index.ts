/** The clients that Firn is tested with. */
import type { ClientKind } from "./client.ts";
import { containerd } from "./containerd.ts";
import { docker } from "./docker.ts";
import { podman } from "./podman.ts";
import { skopeo } from "./skopeo.ts";

export type { Client, ClientKind, RunResult } from "./client.ts";
export { containerd, docker, podman, skopeo };
export const CLIENTS: readonly ClientKind[] = [docker, containerd, podman, skopeo];
