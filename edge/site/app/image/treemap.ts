/**
 * A squarified treemap (Bruls, Huizing, van Wijk, 2000): rectangles with given areas, as square as
 * possible, row by row along the shorter side. Pure.
 */

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** One box for each size, in the order of the sizes; those of nothing have no area. */
export function squarify(sizes: readonly number[], space: Box): Box[] {
  const boxes: Box[] = sizes.map(() => ({ x: space.x, y: space.y, width: 0, height: 0 }));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (total <= 0 || space.width <= 0 || space.height <= 0) return boxes;
  const scale = (space.width * space.height) / total;
  const order = sizes
    .map((size, index) => ({ index, area: size * scale }))
    .filter(({ area }) => area > 0)
    .sort((a, b) => b.area - a.area);
  let left = space;
  while (order.length > 0) {
    const side = Math.min(left.width, left.height);
    let count = 1;
    let best = worst(order, 1, side);
    while (count < order.length) {
      const next = worst(order, count + 1, side);
      if (next > best) break;
      best = next;
      count += 1;
    }
    left = layRow(order.splice(0, count), left, boxes);
  }
  return boxes;
}

interface Area {
  readonly index: number;
  readonly area: number;
}

/** The worst ratio of sides among the first `count`, laid along a side of that length. */
function worst(order: readonly Area[], count: number, side: number): number {
  let sum = 0;
  for (let at = 0; at < count; at += 1) sum += order[at]?.area ?? 0;
  const largest = order[0]?.area ?? 0;
  const smallest = order[count - 1]?.area ?? 0;
  return Math.max((side * side * largest) / (sum * sum), (sum * sum) / (side * side * smallest));
}

/** Lays a row along the shorter side; returns the space that is left. */
function layRow(row: readonly Area[], space: Box, boxes: Box[]): Box {
  const sum = row.reduce((total, { area }) => total + area, 0);
  const across = space.width < space.height;
  const thickness = sum / (across ? space.width : space.height);
  let at = across ? space.x : space.y;
  for (const { index, area } of row) {
    const length = area / thickness;
    boxes[index] = across
      ? { x: at, y: space.y, width: length, height: thickness }
      : { x: space.x, y: at, width: thickness, height: length };
    at += length;
  }
  return across
    ? { ...space, y: space.y + thickness, height: Math.max(0, space.height - thickness) }
    : { ...space, x: space.x + thickness, width: Math.max(0, space.width - thickness) };
}
