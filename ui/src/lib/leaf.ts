/**
 * The leaf of a door as it swings on its left edge towards whoever looks, as plain flat shapes. Windows that paint without a
 * graphics card know no depth (WebKitGTK draws `perspective` flat), so the page works it out.
 */

/** The closed leaf, in units of the drawing. */
export const WIDTH = 400;
export const HEIGHT = 460;
const THICK = 26;
const ROUND = 18;
/** How far away the eye is. */
const EYE = 1350;

interface Point {
  x: number;
  y: number;
}

/** Where a point of the leaf is seen: `along` and `down` from its hinge and top, `behind` its face; `angle` in degrees. */
export function seen(angle: number, along: number, down: number, behind = 0): Point & { scale: number } {
  const turn = (angle * Math.PI) / 180;
  const across = along * Math.cos(turn) + behind * Math.sin(turn);
  const near = along * Math.sin(turn) - behind * Math.cos(turn);
  const scale = EYE / (EYE - near);
  return { x: WIDTH / 2 + (across - WIDTH / 2) * scale, y: HEIGHT / 2 + (down - HEIGHT / 2) * scale, scale };
}

const written = (points: Point[]) => `M${points.map(({ x, y }) => `${x.toFixed(1)} ${y.toFixed(1)}`).join('L')}z`;

/** A rectangle on the leaf with round corners, as it is seen. */
export function patch(angle: number, left: number, top: number, width: number, height: number, round: number): string {
  const corners = [
    [left + width - round, top + round, -90],
    [left + width - round, top + height - round, 0],
    [left + round, top + height - round, 90],
    [left + round, top + round, 180],
  ] as const;
  const points = corners.flatMap(([x, y, from]) =>
    [0, 30, 60, 90].map((more) => {
      const turn = ((from + more) * Math.PI) / 180;
      return seen(angle, x + round * Math.cos(turn), y + round * Math.sin(turn));
    }),
  );
  return written(points);
}

/** The face of the leaf. */
export function face(angle: number): string {
  return patch(angle, 0, 0, WIDTH, HEIGHT, ROUND);
}

/** The narrow side of the leaf, away from the hinge. */
export function side(angle: number): string {
  return written([
    seen(angle, WIDTH, ROUND / 2),
    seen(angle, WIDTH, ROUND / 2, THICK),
    seen(angle, WIDTH, HEIGHT - ROUND / 2, THICK),
    seen(angle, WIDTH, HEIGHT - ROUND / 2),
  ]);
}

/** How a letter in the middle of the leaf is drawn whose middle is `along` from the hinge: a matrix for SVG. */
export function letter(angle: number, along: number): string {
  const { x, y, scale } = seen(angle, along, HEIGHT / 2);
  const narrow = (seen(angle, along + 1, HEIGHT / 2).x - seen(angle, along - 1, HEIGHT / 2).x) / 2;
  return `matrix(${narrow.toFixed(4)} 0 0 ${scale.toFixed(4)} ${x.toFixed(1)} ${y.toFixed(1)})`;
}

/** Degrees after `share` (0 to 1) of the way from one angle to another: a swing goes a little too far and comes back. */
export function swung(from: number, to: number, share: number): number {
  const eased = 1 - (1 - share) ** 3;
  const over = to > from && to > 30 ? 9 * Math.sin(Math.PI * share) * share : 0;
  return from + (to - from) * eased + over;
}
