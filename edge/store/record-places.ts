/** The kinds of records in the bucket: the path and the schema of each. */
import type * as v from "valibot";
import { type Aliased, AliasRecordSchema } from "../contract/alias.ts";
import { type DemandCount, demandPath, DemandSchema } from "../contract/demand.ts";
import {
  aliasPath,
  dayPath,
  indexPath,
  layerPath,
  levelPath,
  packagePath,
  planPath,
  revisionPath,
  type Scope,
  tagNamesPath,
  tagPath,
} from "../contract/keys.ts";
import {
  type DayRecord,
  DayRecordSchema,
  type ImageRecord,
  ImageRecordSchema,
  type IndexRecord,
  IndexRecordSchema,
  type Codec,
  type LayerRecord,
  LayerRecordSchema,
  type LevelRecord,
  LevelRecordSchema,
  type PackageRecord,
  PackageRecordSchema,
  type PlanPointer,
  PlanPointerSchema,
  type TagRecord,
  TagRecordSchema,
  type RevisionRecord,
  RevisionRecordSchema,
} from "../contract/records.ts";
import { type TagNamesRecord, TagNamesRecordSchema } from "../contract/tag-names.ts";

/** Where a record is in the bucket, and its schema. */
export interface RecordPlace<T> {
  readonly path: string;
  readonly schema: v.GenericSchema<unknown, T>;
  /** Whether the record belongs to this path. */
  readonly belongs: (record: T) => boolean;
  /** Whether it may change. Other records are written once, and cached by isolates. */
  readonly mutable: boolean;
}

/**
 * An image's record: the caller knows the path, and how to check the record
 * (pull/images/image-paths.ts).
 */
export const imageRecord = (
  path: string,
  belongs: (record: ImageRecord) => boolean,
): RecordPlace<ImageRecord> => ({ path, schema: ImageRecordSchema, belongs, mutable: false });

/** What an origin published for a package. */
export const packageRecord = (scope: Scope, name: string): RecordPlace<PackageRecord> => ({
  path: packagePath(scope, name),
  schema: PackageRecordSchema,
  belongs: (record) =>
    record.name === name &&
    record.packageSet === scope.packageSet &&
    record.revision === scope.revision &&
    record.system === scope.system &&
    record.plan === scope.plan,
  mutable: false,
});

/** The made layers of one more level of a package. */
export const levelRecord = (
  scope: Scope,
  name: string,
  level: number,
): RecordPlace<LevelRecord> => ({
  path: levelPath(scope, name, level),
  schema: LevelRecordSchema,
  belongs: (record) => record.level === level,
  mutable: false,
});

/** The blob that a layer key was packed to. */
export const layerRecord = (key: string, codec: Codec): RecordPlace<LayerRecord> => ({
  path: layerPath(key, codec),
  schema: LayerRecordSchema,
  belongs: (record) => record.key === key && record.codec === codec,
  mutable: false,
});

/** The attribute names of a package set, or of the nested set at `path`. */
export const indexRecord = (
  scope: Omit<Scope, "plan">,
  path: readonly string[],
): RecordPlace<IndexRecord> => ({
  path: indexPath(scope, path),
  schema: IndexRecordSchema,
  belongs: (record) => indexPath(record, record.path) === indexPath(scope, path),
  mutable: false,
});

/** The revision that a tag means. */
export const tagRecord = (packageSet: string, tag: string): RecordPlace<TagRecord> => ({
  path: tagPath(packageSet, tag),
  schema: TagRecordSchema,
  belongs: () => true,
  mutable: true,
});

/** Names of a set's tags, whether anybody pulled by them or not. */
export const tagNamesRecord = (packageSet: string): RecordPlace<TagNamesRecord> => ({
  path: tagNamesPath(packageSet),
  schema: TagNamesRecordSchema,
  belongs: () => true,
  mutable: true,
});

/** That a revision belongs to the set. */
export const revisionRecord = (
  packageSet: string,
  revision: string,
): RecordPlace<RevisionRecord> => ({
  path: revisionPath(packageSet, revision),
  schema: RevisionRecordSchema,
  belongs: () => true,
  mutable: false,
});

/** The package list of an alias. The reader checks that the key is the list's hash. */
export const aliasRecord = (key: string): RecordPlace<Aliased> => ({
  path: aliasPath(key),
  schema: AliasRecordSchema,
  belongs: () => true,
  mutable: false,
});

/** `day`: yyyy-mm-dd. It changes until the day is over. */
export const dayRecord = (packageSet: string, day: string): RecordPlace<DayRecord> => ({
  path: dayPath(packageSet, day),
  schema: DayRecordSchema,
  belongs: () => true,
  mutable: true,
});

/** The layer plan in force. */
export const planPointer = (packageSet: string): RecordPlace<PlanPointer> => ({
  path: planPath(packageSet),
  schema: PlanPointerSchema,
  belongs: () => true,
  mutable: true,
});

/** Pull counts, by their path. */
export const demandAt = (path: string): RecordPlace<DemandCount> => ({
  path,
  schema: DemandSchema,
  belongs: () => true,
  mutable: true,
});

/** `day`: yyyy-mm-dd; `id`: unique, chosen by the writer. */
export const demandRecord = (
  packageSet: string,
  day: string,
  id: string,
): RecordPlace<DemandCount> => demandAt(demandPath(packageSet, day, id));
