import { moment, groups } from './format';
import type { ReservationView } from './generated/view';
import { t } from './i18n/i18n.svelte';
import { clean } from './untrusted';

const WIDTH = 720;
const HEIGHT = 1020;

function lines(context: CanvasRenderingContext2D, text: string, width: number, most: number): string[] {
  const found: string[] = [];
  let line = '';
  for (const word of clean(text, 160).split(' ')) {
    const longer = line ? `${line} ${word}` : word;
    if (context.measureText(longer).width <= width || !line) line = longer;
    else {
      found.push(line);
      line = word;
    }
  }
  if (line) found.push(line);
  return found.slice(0, most);
}

/**
 * Draws the pass of a reservation: door, deadline, PIN or identification code. Never the opening code, which is good
 * for seconds and opens. Black on white, so that it prints.
 */
export function drawPass(canvas: HTMLCanvasElement, reservation: ReservationView, where: string, now: number, name: string): void {
  const scale = 2;
  canvas.width = WIDTH * scale;
  canvas.height = HEIGHT * scale;
  const context = canvas.getContext('2d');
  if (!context) return;
  const family = getComputedStyle(document.body).fontFamily;
  const font = (weight: number, size: number) => (context.font = `${weight} ${size}px ${family}`);
  context.scale(scale, scale);
  context.fillStyle = '#ffffff';
  context.fillRect(0, 0, WIDTH, HEIGHT);
  context.fillStyle = '#12201a';
  context.textBaseline = 'alphabetic';
  let y = 70;
  font(650, 22);
  context.fillText(clean(name, 40), 48, y);
  y += 62;
  font(800, 42);
  for (const line of lines(context, reservation.title, WIDTH - 96, 2)) {
    context.fillText(line, 48, y);
    y += 50;
  }
  font(500, 24);
  context.fillText(lines(context, reservation.carrier, WIDTH - 96, 1)[0] ?? '', 48, y);
  y += 40;
  context.fillRect(48, y, WIDTH - 96, 3);
  y += 150;
  font(850, 150);
  context.fillText(clean(reservation.label ?? '', 6), 44, y);
  y += 48;
  font(600, 26);
  const place = [where, reservation.site ? `${reservation.site.name}, ${reservation.site.address}` : ''].filter(Boolean);
  for (const text of place) {
    for (const line of lines(context, text, WIDTH - 96, 2)) {
      context.fillText(line, 48, y);
      y += 36;
    }
  }
  if (reservation.until !== null) {
    context.fillText(t('detail.untilWhen', { when: moment(reservation.until, now) }), 48, y);
    y += 36;
  }
  y += 34;
  if (reservation.identification) {
    const { size, path } = reservation.identification;
    const side = Math.min(300, HEIGHT - y - 50);
    if (/^[MmHhVvLlZz0-9 ,.-]*$/.test(path) && size > 0) {
      context.save();
      context.translate(48, y);
      context.scale(side / size, side / size);
      context.fillStyle = '#000000';
      context.fill(new Path2D(path));
      context.restore();
    }
  } else if (reservation.pin) {
    font(600, 24);
    context.fillText(t('at.pin'), 48, y + 10);
    font(800, 64);
    context.fillText(groups(reservation.pin), 48, y + 84);
  }
}

/** The picture as bytes of a PNG. */
export async function passPng(canvas: HTMLCanvasElement): Promise<Uint8Array | null> {
  const blob = await new Promise<Blob | null>((done) => canvas.toBlob(done, 'image/png'));
  return blob ? new Uint8Array(await blob.arrayBuffer()) : null;
}

/** A PDF (ISO 32000) of one A5 page that holds the picture as JPEG. */
export async function passPdf(canvas: HTMLCanvasElement): Promise<Uint8Array | null> {
  const blob = await new Promise<Blob | null>((done) => canvas.toBlob(done, 'image/jpeg', 0.92));
  if (!blob) return null;
  const jpeg = new Uint8Array(await blob.arrayBuffer());
  const [width, height] = [419.53, 595.28];
  const tall = Math.min(height - 40, ((width - 40) * canvas.height) / canvas.width);
  const wide = (tall * canvas.width) / canvas.height;
  const drawing = `q ${wide.toFixed(2)} 0 0 ${tall.toFixed(2)} ${((width - wide) / 2).toFixed(2)} ${(height - tall - 20).toFixed(2)} cm /P Do Q`;
  const bytes = new TextEncoder();
  const parts: Uint8Array[] = [];
  const offsets: number[] = [];
  let length = 0;
  const add = (part: string | Uint8Array) => {
    const encoded = typeof part === 'string' ? bytes.encode(part) : part;
    parts.push(encoded);
    length += encoded.length;
  };
  const object = (number: number, ...content: (string | Uint8Array)[]) => {
    offsets[number] = length;
    add(`${number} 0 obj\n`);
    content.forEach(add);
    add('\nendobj\n');
  };
  add('%PDF-1.4\n');
  object(1, '<</Type/Catalog/Pages 2 0 R>>');
  object(2, '<</Type/Pages/Kids[3 0 R]/Count 1>>');
  object(3, `<</Type/Page/Parent 2 0 R/MediaBox[0 0 ${width} ${height}]/Resources<</XObject<</P 4 0 R>>>>/Contents 5 0 R>>`);
  object(
    4,
    `<</Type/XObject/Subtype/Image/Width ${canvas.width}/Height ${canvas.height}/ColorSpace/DeviceRGB/BitsPerComponent 8/Filter/DCTDecode/Length ${jpeg.length}>>\nstream\n`,
    jpeg,
    '\nendstream',
  );
  object(5, `<</Length ${drawing.length}>>\nstream\n${drawing}\nendstream`);
  const start = length;
  add(`xref\n0 6\n0000000000 65535 f \n${offsets.slice(1).map((at) => `${String(at).padStart(10, '0')} 00000 n \n`).join('')}`);
  add(`trailer<</Size 6/Root 1 0 R>>\nstartxref\n${start}\n%%EOF\n`);
  const file = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    file.set(part, at);
    at += part.length;
  }
  return file;
}
