/**
 * Regions: one Farm object in each, so that a client's packages are built near it. A region is one
 * of Cloudflare's location hints; without REGIONS there is one farm, located where it was first
 * used.
 *
 * A client's continent decides in which order the regions are asked. The first takes the items; a
 * region that has no origin for them, or whose queue is full, passes them to the next:
 *
 *   REGIONS=weur,enam,apac    a client in Asia: apac, then weur, then enam
 *                             one in Africa: weur, enam, apac
 *
 * An origin belongs to the region that ORIGINS gives it, or else to the nearest one.
 */
import * as v from "valibot";

/** Cloudflare's location hints (Durable Objects, "Data location"). */
export const LOCATIONS = [
  "wnam",
  "enam",
  "sam",
  "weur",
  "eeur",
  "apac",
  "oc",
  "afr",
  "me",
] as const;
const CONTINENTS = ["AF", "AN", "AS", "EU", "NA", "OC", "SA"] as const;
export type Region = (typeof LOCATIONS)[number];
type Continent = (typeof CONTINENTS)[number];

/** Nearest first, by the usual submarine cable routes. */
const NEAREST: Readonly<Record<Continent, readonly Region[]>> = {
  EU: ["weur", "eeur", "enam", "me", "afr", "wnam", "apac", "sam", "oc"],
  NA: ["enam", "wnam", "weur", "sam", "eeur", "apac", "oc", "me", "afr"],
  SA: ["sam", "enam", "wnam", "weur", "eeur", "afr", "me", "apac", "oc"],
  AS: ["apac", "me", "eeur", "weur", "wnam", "oc", "enam", "afr", "sam"],
  OC: ["oc", "apac", "wnam", "enam", "weur", "sam", "eeur", "me", "afr"],
  AF: ["afr", "weur", "me", "eeur", "enam", "apac", "sam", "wnam", "oc"],
  AN: ["oc", "sam", "apac", "afr", "wnam", "enam", "weur", "eeur", "me"],
};

export interface RegionVariables {
  /** Comma-separated location hints of the regions that have a farm: `weur,enam,apac`. */
  readonly REGIONS?: string;
  /**
   * JSON object, continent → regions in the order in which they are asked, to override the default:
   * `{"AS":["weur","apac"]}`. Regions that it leaves out are asked last.
   */
  readonly REGION_ORDER?: string;
}

const RegionSchema = v.picklist(LOCATIONS, `must be one of ${LOCATIONS.join(", ")}`);
const RegionsSchema = v.pipe(
  v.string(),
  v.transform((text) => text.split(",").map((name) => name.trim())),
  v.array(RegionSchema),
  v.check((names) => new Set(names).size === names.length, "must not name a region twice"),
);
const OrderSchema = v.pipe(
  v.string(),
  v.parseJson(),
  v.record(
    v.picklist(CONTINENTS, `must have continents as keys: ${CONTINENTS.join(", ")}`),
    v.array(RegionSchema),
  ),
);

export interface Regions {
  /** Empty: one farm for the world. */
  readonly names: readonly Region[];
  readonly order: Partial<Record<Continent, readonly Region[]>>;
}

/** Parses REGIONS and REGION_ORDER. Throws an Error that names the wrong one. */
export function readRegions({ REGIONS = "", REGION_ORDER = "" }: RegionVariables): Regions {
  const names = REGIONS === "" ? [] : parse("REGIONS", RegionsSchema, REGIONS);
  const order = REGION_ORDER === "" ? {} : parse("REGION_ORDER", OrderSchema, REGION_ORDER);
  const absent = Object.values(order)
    .flat()
    .find((region) => !names.includes(region));
  if (absent !== undefined)
    throw new Error(`REGION_ORDER names the region ${absent}, which is not in REGIONS`);
  return { names, order };
}

function parse<T>(variable: string, schema: v.GenericSchema<string, T>, text: string): T {
  const parsed = v.safeParse(schema, text);
  if (parsed.success) return parsed.output;
  throw new Error(`${variable} ${parsed.issues[0].message}`);
}

/**
 * The regions in the order in which a client of this continent (`request.cf.continent`) asks them;
 * empty where there is one farm for the world.
 */
export function regionsFor({ names, order }: Regions, continent: string | undefined): Region[] {
  const known = CONTINENTS.find((name) => name === continent);
  if (known === undefined) return [...names];
  const nearest = NEAREST[known].filter((region) => names.includes(region));
  return [...new Set([...(order[known] ?? []), ...nearest])];
}

/** The region of an origin: the one in ORIGINS, or the nearest to where it connects from. */
export const regionOfOrigin = (
  regions: Regions,
  configured: string | undefined,
  continent: string | undefined,
): Region | undefined =>
  regions.names.find((region) => region === configured) ?? regionsFor(regions, continent)[0];
