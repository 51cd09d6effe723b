/** The Farm objects, one in each region (regions.ts). */
import type { Env } from "../env.ts";
import { readRegions, type Region } from "./regions.ts";

/** The continent that a request comes from, as Cloudflare knows it. */
export const continentOf = ({ cf }: Pick<Request, "cf">): string | undefined =>
  cf?.continent as string | undefined;

/** The name of a region's Farm object; undefined: the only farm. */
export const farmName = (region: Region | undefined): string =>
  region === undefined ? "farm" : `farm-${region}`;

/** The farm of a region, or the only farm. Cloudflare places it when it is first used. */
export const farmOf = ({ FARM }: Pick<Env, "FARM">, region: Region | undefined) =>
  FARM.getByName(farmName(region), region === undefined ? {} : { locationHint: region });

/** All farms, each with its region; undefined: the only farm. */
export function allFarms(env: Env) {
  const { names } = readRegions(env);
  const regions = names.length === 0 ? [undefined] : names;
  return regions.map((region) => ({ region, farm: farmOf(env, region) }));
}
