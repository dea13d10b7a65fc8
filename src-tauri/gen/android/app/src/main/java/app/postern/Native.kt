package app.postern

import android.content.Context

/** The native half. It finds these by name: see src-tauri/src/android.rs. */
object Native : Bluetooth.Listener {
  init {
    System.loadLibrary("postern_app")
  }

  /**
   * Hands btleplug its Java half, and the native half [Bluetooth], [Files] and [Device]. They are found through the class
   * loader of the calling thread, so this is called from Java and not from a thread of the native half.
   */
  external fun start(application: Context)

  external override fun changed(state: Int)

  external override fun scanFailed(code: Int)

  /** Somebody tapped on a notification: see [Tap]. */
  external fun tapped(source: String)
}
