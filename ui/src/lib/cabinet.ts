import type { DoorView, LockerView } from './generated/view';
import { own, t, tCode, type Own } from './i18n/i18n.svelte';

/** A door with its place in the drawing, in units: columns are 3 wide, a door of height 1 is 1 high. */
export interface PlacedDoor extends DoorView {
  x: number;
  y: number;
  rowIndex: number;
  rowCount: number;
}

/** The drawing of a cabinet. */
export interface Plan {
  width: number;
  height: number;
  columns: number;
  doors: PlacedDoor[];
}

export const COLUMN_WIDTH = 3;
const MAX_DOORS = 400;
const MAX_HEIGHT = 40;

/** Lays the doors out, column by column from the left, each from the top. Keeps to sane sizes whatever the hub says. */
export function plan(locker: LockerView): Plan {
  const columns = new Map<number, DoorView[]>();
  for (const door of locker.doors.slice(0, MAX_DOORS)) {
    const column = columns.get(door.column);
    if (column) column.push(door);
    else columns.set(door.column, [door]);
  }
  const doors: PlacedDoor[] = [];
  let height = 0;
  let index = 0;
  for (const number of [...columns.keys()].sort((a, b) => a - b)) {
    const column = (columns.get(number) ?? []).sort((a, b) => a.row - b.row);
    let y = 0;
    column.forEach((door, rowIndex) => {
      const doorHeight = Math.min(Math.max(door.height, 1), MAX_HEIGHT);
      doors.push({ ...door, height: doorHeight, x: index * COLUMN_WIDTH, y, rowIndex, rowCount: column.length });
      y += doorHeight;
    });
    height = Math.max(height, y);
    index += 1;
  }
  return { width: Math.max(index, 1) * COLUMN_WIDTH, height: Math.max(height, 1), columns: index, doors };
}

function ordinal(n: number): Own {
  return own(tCode('ordinal', String(n), 'ordinal.other', { n }));
}

/** Where a door is, in words: `bottom row, third from left`. Empty where the cabinet's shape is not known. */
export function whereInWords(locker: LockerView | undefined, door: number | null): string {
  if (!locker || door === null) return '';
  const drawing = plan(locker);
  const found = drawing.doors.find((placed) => placed.door === door);
  if (!found) return '';
  const { rowIndex, rowCount } = found;
  const column = Math.round(found.x / COLUMN_WIDTH);
  const fromBottom = rowCount - 1 - rowIndex;
  let row: string;
  if (rowCount === 1) row = '';
  else if (rowIndex === 0) row = t('where.top');
  else if (fromBottom === 0) row = t('where.bottom');
  else if (rowIndex <= fromBottom) row = t('where.fromTop', { nth: ordinal(rowIndex + 1) });
  else row = t('where.fromBottom', { nth: ordinal(fromBottom + 1) });
  const fromRight = drawing.columns - 1 - column;
  let col: string;
  if (drawing.columns === 1) col = '';
  else if (column === 0) col = t('where.left');
  else if (fromRight === 0) col = t('where.right');
  else if (column <= fromRight) col = t('where.fromLeft', { nth: ordinal(column + 1) });
  else col = t('where.fromRight', { nth: ordinal(fromRight + 1) });
  if (row && col) return t('where.both', { row: own(row), column: own(col) });
  return row || col;
}
