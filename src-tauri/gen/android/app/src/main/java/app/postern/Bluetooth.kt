package app.postern

import android.Manifest
import android.content.ActivityNotFoundException
import android.content.Context
import android.content.Intent
import android.content.pm.PackageManager
import android.net.Uri
import android.os.Build
import android.provider.Settings

/** What Android wants of the app before it may search for lockers and connect to them. */
object Bluetooth {
  init {
    System.loadLibrary("postern_app")
  }

  /**
   * Hands btleplug its Java half. It is found through the class loader of the calling thread, so this is called from
   * Java and not from a thread of the native half; see src-tauri/src/android.rs, which keeps the application for
   * [openSettings].
   */
  @JvmStatic external fun start(application: Context)

  /**
   * Leads to where this app is allowed to use Bluetooth or, if it is, to where Bluetooth is switched on. The native half
   * calls it. False where this Android has no such page.
   */
  @JvmStatic
  fun openSettings(application: Context): Boolean {
    val page =
      if (allowed(application)) {
        Intent(Settings.ACTION_BLUETOOTH_SETTINGS)
      } else {
        val app = Uri.fromParts("package", application.packageName, null)
        Intent(Settings.ACTION_APPLICATION_DETAILS_SETTINGS, app)
      }
    return try {
      application.startActivity(page.addFlags(Intent.FLAG_ACTIVITY_NEW_TASK))
      true
    } catch (_: ActivityNotFoundException) {
      false
    }
  }

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
