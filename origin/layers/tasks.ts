/**
 * What the worker threads of an origin do: plain data in, plain data out. Files are passed as
 * descriptors, which all threads of a process share.
 */
import { type AssembledLayer, assembleLayer, type LayerWanted } from "./assemble.ts";
import type { CancelFlag } from "./cancel.ts";
import { makeMember, type MemberWanted } from "./member.ts";
import { listTree } from "./list-tree.ts";

export type Task =
  | { readonly kind: "member"; readonly member: MemberWanted }
  | { readonly kind: "layer"; readonly layer: LayerWanted }
  | { readonly kind: "listing"; readonly root: string; readonly storePath: string };

export interface Results {
  /** Bytes written. */
  readonly member: number;
  readonly layer: AssembledLayer;
  readonly listing: Uint8Array<ArrayBuffer>;
}

export interface Request {
  readonly id: number;
  readonly task: Task;
  readonly cancel: CancelFlag;
}

/** Errors lose their class and code on the way between threads; what matters is carried as data. */
export type Reply =
  | { readonly id: number; readonly ok: true; readonly value: Results[keyof Results] }
  | {
      readonly id: number;
      readonly ok: false;
      readonly name: string;
      readonly message: string;
      readonly code: string | undefined;
      readonly stack: string | undefined;
    };

export function runTask(task: Task, cancel: CancelFlag): Promise<Results[keyof Results]> {
  switch (task.kind) {
    case "member":
      return makeMember(task.member, cancel);
    case "layer":
      return assembleLayer(task.layer, cancel);
    case "listing":
      return Promise.resolve(listTree(task.root, task.storePath, cancel));
  }
}
