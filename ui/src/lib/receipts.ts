import type { ReceiptView } from './generated/view';
import { clean } from './untrusted';

/** A field of RFC 4180. A leading sign that a spreadsheet would take for a formula is kept as text. */
function field(value: string | number | boolean): string {
  const text = typeof value === 'string' ? clean(value, 400).replace(/^([=+\-@])/, "'$1") : String(value);
  return /[",\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
}

/** All receipts as a table for other programs; times in UTC. */
export function receiptsCsv(receipts: readonly ReceiptView[]): string {
  const rows = receipts.map((one) =>
    [
      new Date(one.at * 1000).toISOString(),
      one.timeCertain,
      one.outcome,
      one.title,
      one.locker,
      one.label,
      one.sequence,
      one.source,
      one.verified,
      one.delivered,
      one.reservation,
    ]
      .map(field)
      .join(','),
  );
  return ['time,time_certain,outcome,title,locker,door,sequence,source,verified,delivered,reservation', ...rows].join('\r\n') + '\r\n';
}
