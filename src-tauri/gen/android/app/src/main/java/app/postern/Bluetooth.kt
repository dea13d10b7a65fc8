package app.postern

import android.Manifest
import android.content.Context
import android.content.pm.PackageManager
import android.os.Build

/** What Android wants of the app before it may search for lockers and connect to them. */
object Bluetooth {
  init {
    System.loadLibrary("postern_app")
  }

  /**
   * Hands btleplug its Java half. It is found through the class loader of the calling thread, so this is called from
   * Java and not from a thread of the native half; see src-tauri/src/android.rs.
   */
  @JvmStatic external fun start()

  /** The permissions that Bluetooth needs on this version of Android. */
  val permissions: Array<String>
    get() =
      if (needsLocation) {
        arrayOf(Manifest.permission.ACCESS_FINE_LOCATION)
      } else {
        arrayOf(Manifest.permission.BLUETOOTH_SCAN, Manifest.permission.BLUETOOTH_CONNECT)
      }

  /** Up to Android 11 a search for Bluetooth devices counts as use of the location. */
  val needsLocation: Boolean
    get() = Build.VERSION.SDK_INT < Build.VERSION_CODES.S

  /** Whether nothing is left to ask for. */
  fun allowed(context: Context): Boolean =
    permissions.all { context.checkSelfPermission(it) == PackageManager.PERMISSION_GRANTED }
}
