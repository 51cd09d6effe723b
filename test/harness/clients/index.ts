/** The clients that Firn is tested with. */
import { buildah } from "./buildah.ts";
import type { ClientKind } from "./client.ts";
import { containerd } from "./containerd.ts";
import { cri } from "./cri.ts";
import { docker } from "./docker.ts";
import { podman } from "./podman.ts";
import { skopeo } from "./skopeo.ts";

export type { Client, ClientKind, RunResult } from "./client.ts";
export { buildah, containerd, cri, docker, podman, skopeo };
/** What people and CI pull and run with. */
export const CLIENTS: readonly ClientKind[] = [docker, containerd, podman, buildah, skopeo];
/** And a node of Kubernetes. */
export const PULLERS: readonly ClientKind[] = [...CLIENTS, cri];
