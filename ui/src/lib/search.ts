import type { ReservationView } from './generated/view';

// eslint-disable-next-line no-control-regex
const ASCII = /^[\x00-\x7f]*$/;

/** Without case and accents. Most texts have no accents to look for, which decides how soon ten thousand are folded. */
function folded(text: string): string {
  const short = text.slice(0, 400);
  return (ASCII.test(short) ? short : short.normalize('NFKD').replace(/\p{M}/gu, '')).toLowerCase();
}

/** Prepares a search over title, carrier, reference, site and door; the answer to it keeps the order. */
export function searchIndex(all: readonly ReservationView[]): (wanted: string) => readonly ReservationView[] {
  let texts: string[] | null = null;
  return (wanted) => {
    const words = folded(wanted).split(/\s+/).filter(Boolean);
    if (words.length === 0) return all;
    texts ??= all.map((one) =>
      folded(`${one.title} ${one.carrier} ${one.reference ?? ''} ${one.site?.name ?? ''} ${one.label ?? ''}`),
    );
    const ready = texts;
    return all.filter((_, at) => words.every((word) => ready[at]?.includes(word)));
  };
}
