/**
 * What the path of an image record says, and whether a record belongs to it: the platforms that the
 * record knows, and its digests.
 *
 *   images/v6/<name key>/<image key>.amd64.no-arm64.<digest hints, separated by dots>.json
 */
import { imageKey, imageNameKey, imagePath } from "../../contract/keys.ts";
import type { ImageRequest } from "../../contract/names.ts";
import { type ImageRecord, PLATFORMS, SYSTEMS, systemsOf } from "../../contract/records.ts";
import { imageRecord, type RecordPlace } from "../../store/records.ts";
import { digestsOf } from "./image-digests.ts";

/** A name of a package set: `git/curl` means the same as `curl/git`, and as `arm64/git/curl`. */
export interface ImageName extends Pick<ImageRequest, "names" | "shell"> {
  readonly packageSet: string;
}

/** A name as text: a key for memories that needs no hashing. */
export const nameOf = ({ packageSet, names, shell }: ImageName): string =>
  `${packageSet} ${shell ? "shell " : ""}${names.join("/")}`;

/** The key of a name, with which the paths of all its images begin. */
export const nameKeyOf = (name: ImageName): Promise<string> =>
  imageNameKey(name.packageSet, name.names, name.shell);

/** The path of a record of this name. */
export async function pathOf(name: ImageName, record: ImageRecord): Promise<string> {
  const key = await imageKey(record, name.names, name.shell);
  return imagePath(await nameKeyOf(name), key, platformsOf(record), digestsOf(record).all);
}

/** Whether a record's texts have the digests in its path. */
export function hasDigestsOf(path: string, record: ImageRecord): boolean {
  const told = imagePath("", "", platformsOf(record), digestsOf(record).all);
  return path.endsWith(told.slice(told.lastIndexOf("/") + 1));
}

const LACKING = "no-";
const architectures: ReadonlySet<string> = new Set(
  SYSTEMS.map((system) => PLATFORMS[system].architecture),
);

/** The platforms that a record knows, as written in its path. */
const platformsOf = ({ images, without }: ImageRecord): string[] =>
  SYSTEMS.flatMap((system) => {
    const { architecture } = PLATFORMS[system];
    if (images[system] !== undefined) return [architecture];
    return without[system] === undefined ? [] : [`${LACKING}${architecture}`];
  });

/** The platforms that the record at a path knows, by architecture. */
export const platformsIn = (path: string): string[] =>
  path
    .split(".")
    .map((part) => (part.startsWith(LACKING) ? part.slice(LACKING.length) : part))
    .filter((part) => architectures.has(part));

/** A path of this name as the place of a record. */
export const placeOf = (name: ImageName, path: string): RecordPlace<ImageRecord> =>
  imageRecord(path, (record) => belongs(name, path, record));

/** Whether it is an image of this name whose texts have the digests in its path. */
function belongs({ packageSet, names }: ImageName, path: string, record: ImageRecord): boolean {
  if (record.packageSet !== packageSet) return false;
  const isOfName = systemsOf(record).every(
    (system) =>
      Object.keys(record.images[system]?.levels ?? {})
        .sort()
        .join("/") === names.join("/"),
  );
  return isOfName && hasDigestsOf(path, record);
}
