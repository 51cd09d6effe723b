/**
 * How an attribute is written in an image name: registry names have no capitals and begin with a
 * letter or digit (`ImageMagick` → imagemagick, `_7zz` → 7zz). Demand is counted by these.
 */
export const componentOf = (attribute: string): string =>
  attribute.toLowerCase().replace(/^_+(?=\d)/, "");
