import type { ReservationView } from './generated/view';

// eslint-disable-next-line no-control-regex
const ASCII = /^[\x00-\x7f]*$/;

/** Without case and accents. Most texts have no accents to look for, which decides how soon ten thousand are folded. */
function folded(text: string): string {
  const short = text.slice(0, 400);
  return (ASCII.test(short) ? short : short.normalize('NFKD').replace(/\p{M}/gu, '')).toLowerCase();
}

/** Letters from which on a word may have a slip in it. */
const SLIP = 4;

/** Whether `text` begins with `word` but for one letter that is wrong, missing, too many, or swapped with the next. */
export function almost(word: string, text: string): boolean {
  let at = 0;
  while (at < word.length && word[at] === text[at]) at += 1;
  if (at === word.length) return true;
  const rest = word.slice(at + 1);
  return (
    text.startsWith(rest, at + 1) ||
    text.startsWith(word.slice(at), at + 1) ||
    text.startsWith(rest, at) ||
    (word[at] === text[at + 1] && word[at + 1] === text[at] && text.startsWith(word.slice(at + 2), at + 2))
  );
}

/**
 * Prepares a search over title, carrier, reference, site and door; the answer to it keeps the order. Where nothing has the
 * words as they are, what has them with one slip each is found.
 */
export function searchIndex(all: readonly ReservationView[]): (wanted: string) => readonly ReservationView[] {
  let texts: string[] | null = null;
  return (wanted) => {
    const words = folded(wanted).split(/\s+/).filter(Boolean);
    if (words.length === 0) return all;
    texts ??= all.map((one) =>
      folded(`${one.title} ${one.carrier} ${one.reference ?? ''} ${one.site?.name ?? ''} ${one.label ?? ''}`),
    );
    const ready = texts;
    const found = all.filter((_, at) => words.every((word) => ready[at]?.includes(word)));
    if (found.length > 0 || !words.some((word) => word.length >= SLIP)) return found;
    return all.filter((_, at) => {
      const parts = ready[at]?.split(' ') ?? [];
      return words.every((word) => (word.length < SLIP ? ready[at]?.includes(word) : parts.some((part) => almost(word, part))));
    });
  };
}
