/** Vibrates where the device can. Without a touch before it browsers refuse, and say so in the log. */
export function feel(pattern: number | number[]): void {
  if (navigator.userActivation?.hasBeenActive !== false) navigator.vibrate?.(pattern);
}
