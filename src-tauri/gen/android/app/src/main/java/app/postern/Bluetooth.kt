package app.postern

import android.Manifest
import android.bluetooth.BluetoothAdapter
import android.bluetooth.BluetoothManager
import android.bluetooth.le.ScanSettings
import android.content.ActivityNotFoundException
import android.content.BroadcastReceiver
import android.content.Context
import android.content.Intent
import android.content.IntentFilter
import android.content.pm.PackageManager
import android.location.LocationManager
import android.net.Uri
import android.os.Build
import android.provider.Settings
import com.nonpolynomial.btleplug.android.impl.ScanOptions

/**
 * How the phone's Bluetooth is, and the way to it: what btleplug has no word for. The native half asks, and is told each
 * change (crates/radio/src/phone.rs); what it asks comes on threads of its own.
 */
object Bluetooth {
  /** The numbers of `phone::Told`. */
  const val NOT_ASKED = 0
  const val ON = 1
  const val OFF = 2
  const val ABSENT = 3
  const val DENIED = 4
  const val LOCATION_OFF = 5

  private const val PREFERENCES = "permissions"
  /** They have read what Bluetooth is for, and answered. */
  private const val EXPLAINED = "bluetooth_explained"
  /** Android has put its own question. */
  private const val REQUESTED = "bluetooth_requested"

  /** Who is told. */
  interface Listener {
    fun changed(state: Int)

    /** See `ScanCallback.onScanFailed`. */
    fun scanFailed(code: Int)
  }

  /** What is on the screen, as far as a question needs it. */
  interface Screen {
    /** Does it where questions are put. */
    fun onScreen(act: () -> Unit)

    /** Says what Bluetooth is for; tells whether the customer goes on. */
    fun explain(location: Boolean, answered: (Boolean) -> Unit)

    /** Android's own question. */
    fun request(permissions: Array<String>, answered: () -> Unit)

    /** Android would put its question again: it was answered with no once, not for good. */
    fun wouldAskAgain(permission: String): Boolean
  }

  private var application: Context? = null
  private var listener: Listener? = null
  private var screen: Screen? = null
  private var asking = false

  /** Begins to tell. Called once, before anything of the native half can ask. */
  fun begin(application: Context, listener: Listener) {
    this.application = application
    this.listener = listener
    ScanOptions.failureListener = ScanOptions.FailureListener { code -> listener.scanFailed(code) }
    val changes = IntentFilter(BluetoothAdapter.ACTION_STATE_CHANGED)
    changes.addAction(LocationManager.MODE_CHANGED_ACTION)
    val receiver =
      object : BroadcastReceiver() {
        override fun onReceive(context: Context, intent: Intent) = tell()
      }
    if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.TIRAMISU) {
      application.registerReceiver(receiver, changes, Context.RECEIVER_NOT_EXPORTED)
    } else {
      application.registerReceiver(receiver, changes)
    }
    tell()
  }

  /** Tells how it is now. A permission is changed in the settings without a word to the app, so each return to it asks. */
  fun tell() {
    val application = application ?: return
    listener?.changed(state(application))
  }

  /** The app is on the screen. */
  fun shown(screen: Screen) {
    this.screen = screen
    tell()
  }

  /** That screen is gone, and a question on it with it. */
  fun gone(screen: Screen) {
    if (this.screen === screen) {
      this.screen = null
      asking = false
    }
  }

  fun state(context: Context): Int {
    val adapter = context.getSystemService(BluetoothManager::class.java)?.adapter
    val low = context.packageManager.hasSystemFeature(PackageManager.FEATURE_BLUETOOTH_LE)
    return when {
      adapter == null || !low -> ABSENT
      !allowed(context) -> if (noted(context, EXPLAINED)) DENIED else NOT_ASKED
      !adapter.isEnabled -> OFF
      needsLocation && !isLocationOn(context) -> LOCATION_OFF
      else -> ON
    }
  }

  /** Asks the customer, the reason first. False where the app is not on the screen. */
  @JvmStatic
  fun ask(): Boolean {
    val screen = screen ?: return false
    screen.onScreen { put(screen) }
    return true
  }

  private fun put(screen: Screen) {
    val application = application ?: return
    if (asking) return
    if (allowed(application)) return tell()
    asking = true
    screen.explain(needsLocation) { yes ->
      note(application, EXPLAINED)
      if (yes) {
        note(application, REQUESTED)
        screen.request(permissions) { answered() }
      } else {
        answered()
      }
    }
  }

  private fun answered() {
    asking = false
    tell()
  }

  /** Leads to where whatever is missing is put right. False where this Android has no such page. */
  @JvmStatic
  fun openSettings(application: Context): Boolean {
    val screen = screen
    return when (state(application)) {
      NOT_ASKED -> ask()
      DENIED -> if (screen != null && mayAsk(application, screen)) ask() else open(application, page(application))
      OFF ->
        open(application, Intent(BluetoothAdapter.ACTION_REQUEST_ENABLE)) ||
          open(application, Intent(Settings.ACTION_BLUETOOTH_SETTINGS))
      LOCATION_OFF -> open(application, Intent(Settings.ACTION_LOCATION_SOURCE_SETTINGS))
      else -> open(application, Intent(Settings.ACTION_BLUETOOTH_SETTINGS))
    }
  }

  /** Whoever only said "not now", or no to Android once, can be asked here; after that Android shows nothing any more. */
  private fun mayAsk(context: Context, screen: Screen): Boolean =
    !noted(context, REQUESTED) || permissions.any { screen.wouldAskAgain(it) }

  private fun page(application: Context): Intent =
    Intent(Settings.ACTION_APPLICATION_DETAILS_SETTINGS, Uri.fromParts("package", application.packageName, null))

  private fun open(application: Context, page: Intent): Boolean =
    try {
      application.startActivity(page.addFlags(Intent.FLAG_ACTIVITY_NEW_TASK))
      true
    } catch (_: ActivityNotFoundException) {
      false
    } catch (_: SecurityException) {
      false
    }

  /** Scans that begin from now on hear at once, or spare the battery. */
  @JvmStatic
  fun scanEagerly(eager: Boolean) {
    ScanOptions.mode = if (eager) ScanSettings.SCAN_MODE_LOW_LATENCY else ScanSettings.SCAN_MODE_LOW_POWER
  }

  /** The permissions that Bluetooth needs on this version of Android. */
  private val permissions: Array<String>
    get() =
      if (needsLocation) {
        arrayOf(Manifest.permission.ACCESS_FINE_LOCATION)
      } else {
        arrayOf(Manifest.permission.BLUETOOTH_SCAN, Manifest.permission.BLUETOOTH_CONNECT)
      }

  /** Up to Android 11 a search for Bluetooth devices counts as use of the location. */
  private val needsLocation: Boolean
    get() = Build.VERSION.SDK_INT < Build.VERSION_CODES.S

  /** Whether nothing is left to ask for. */
  private fun allowed(context: Context): Boolean =
    permissions.all { context.checkSelfPermission(it) == PackageManager.PERMISSION_GRANTED }

  /** A search finds nothing where the switch for the location is off, permission or not. */
  private fun isLocationOn(context: Context): Boolean {
    val location = context.getSystemService(LocationManager::class.java) ?: return false
    return if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.P) {
      location.isLocationEnabled
    } else {
      location.isProviderEnabled(LocationManager.GPS_PROVIDER) ||
        location.isProviderEnabled(LocationManager.NETWORK_PROVIDER)
    }
  }

  /** Not before the phone was unlocked for the first time: there are no preferences then, and nobody to be asked. */
  private fun noted(context: Context, what: String): Boolean =
    try {
      context.getSharedPreferences(PREFERENCES, Context.MODE_PRIVATE).getBoolean(what, false)
    } catch (_: IllegalStateException) {
      false
    }

  private fun note(context: Context, what: String) =
    context.getSharedPreferences(PREFERENCES, Context.MODE_PRIVATE).edit().putBoolean(what, true).apply()
}
