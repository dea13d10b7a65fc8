/** Bytes that the hub takes for one photo. */
const MAX_BYTES = 2 * 1024 * 1024;
const MAX_SIDE = 1600;

/**
 * A photo as base64url, at most 2 MiB: drawn anew as a JPEG, so that position and other metadata stay here. Null where
 * it is no picture or cannot be made small enough.
 */
export async function readPhoto(file: Blob): Promise<string | null> {
  try {
    const picture = await createImageBitmap(file);
    const scale = Math.min(1, MAX_SIDE / Math.max(picture.width, picture.height, 1));
    const canvas = document.createElement('canvas');
    canvas.width = Math.max(1, Math.round(picture.width * scale));
    canvas.height = Math.max(1, Math.round(picture.height * scale));
    canvas.getContext('2d')?.drawImage(picture, 0, 0, canvas.width, canvas.height);
    picture.close();
    for (const quality of [0.85, 0.6, 0.4]) {
      const jpeg = await new Promise<Blob | null>((done) => canvas.toBlob(done, 'image/jpeg', quality));
      if (jpeg && jpeg.size <= MAX_BYTES) return base64url(new Uint8Array(await jpeg.arrayBuffer()));
    }
  } catch {
    // Not a picture that this device can read.
  }
  return null;
}

/** Longest side of a picture that a code is looked for in: enough for its modules, and soon read. */
const SCAN_SIDE = 1000;

/** How bright a picture is, a byte a pixel, base64url. Null where it is no picture. */
export async function brightness(file: Blob): Promise<{ width: number; luma: string } | null> {
  try {
    const picture = await createImageBitmap(file);
    const scale = Math.min(1, SCAN_SIDE / Math.max(picture.width, picture.height, 1));
    const canvas = document.createElement('canvas');
    const width = (canvas.width = Math.max(1, Math.round(picture.width * scale)));
    const height = (canvas.height = Math.max(1, Math.round(picture.height * scale)));
    const context = canvas.getContext('2d', { willReadFrequently: true });
    if (!context) return null;
    context.drawImage(picture, 0, 0, width, height);
    picture.close();
    const { data } = context.getImageData(0, 0, width, height);
    const luma = new Uint8Array(width * height);
    // ITU-R BT.601.
    for (let at = 0; at < luma.length; at += 1) {
      luma[at] = (299 * (data[4 * at] ?? 0) + 587 * (data[4 * at + 1] ?? 0) + 114 * (data[4 * at + 2] ?? 0)) / 1000;
    }
    return { width, luma: base64url(luma) };
  } catch {
    return null;
  }
}

/** RFC 4648, section 5, without padding. */
export function base64url(bytes: Uint8Array): string {
  let binary = '';
  for (let at = 0; at < bytes.length; at += 8192) binary += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(binary).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
}
