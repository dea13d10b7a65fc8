import type { ReservationView } from './generated/view';

function folded(text: string): string {
  return text.slice(0, 400).normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
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
