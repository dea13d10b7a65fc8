package app.postern

import android.content.Intent

/** A tap on a notification, as the notification plugin's intents tell of one. Any app can send the like. */
object Tap {
  /** The plugin's names. */
  private const val ACTION = "NotificationUserAction"
  private const val SOURCE = "LocalNotficationObject"
  private const val TAPPED = "tap"

  /** Whether an activity was begun with this intent before: what it asks for was done then, and a link is followed once. */
  fun isOld(intent: Intent?, restored: Boolean): Boolean =
    restored || (intent?.flags ?: 0) and Intent.FLAG_ACTIVITY_LAUNCHED_FROM_HISTORY != 0

  /** What the native half gave the plugin along with the notification; none where nobody tapped on one just now. */
  fun of(intent: Intent?): String? {
    if (intent?.action != Intent.ACTION_MAIN) return null
    // Opened from among the recent apps, which comes with the intent of the last time.
    if (isOld(intent, restored = false)) return null
    return try {
      intent.getStringExtra(SOURCE).takeIf { intent.getStringExtra(ACTION) == TAPPED }
    } catch (_: RuntimeException) {
      // What another app packed cannot always be unpacked.
      null
    }
  }
}
