/**
 * Text that others wrote: the hub, carriers, senders, guests. Shown as text only, without control characters and
 * direction marks, cut to a length, and isolated so that its direction cannot reach the words around it.
 */

// C0 and C1 controls, line and paragraph separators: a space stands for them.
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;
// Zero-width and direction marks, isolates, soft hyphen, BOM, tags: nothing stays in their place.
const INVISIBLE = /[\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu;
// More than a few marks on one letter paints over the lines above.
const MARKS = /(\p{M}{3})\p{M}+/gu;

/** Cleans and cuts to `max` characters (by code point; an ellipsis shows that something was cut). */
export function clean(text: string, max = 120): string {
  const short = text.length > max * 8 ? text.slice(0, max * 8) : text;
  const plain = short.replace(CONTROLS, ' ').replace(INVISIBLE, '').replace(MARKS, '$1').replace(/\s+/g, ' ').trim();
  const points = Array.from(plain);
  return points.length > max || short.length < text.length ? `${points.slice(0, max - 1).join('')}…` : plain;
}

/** The same, for use inside a sentence: between FIRST STRONG ISOLATE and POP DIRECTIONAL ISOLATE. */
export function isolated(text: string, max = 80): string {
  return `\u2068${clean(text, max)}\u2069`;
}
