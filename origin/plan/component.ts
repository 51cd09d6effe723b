/**
 * An attribute as a component of an image name, where names have no capitals and begin with a
 * letter or digit: `ImageMagick` → imagemagick, `_7zz` → 7zz. Demand is counted by these names.
 */
export const componentOf = (attribute: string): string =>
  attribute.toLowerCase().replace(/^_+(?=\d)/, "");
