package app.postern

import android.bluetooth.BluetoothAdapter
import android.bluetooth.BluetoothManager
import android.content.BroadcastReceiver
import android.content.ContentResolver
import android.content.Context
import android.content.Intent
import android.content.IntentFilter
import android.content.SharedPreferences
import android.content.pm.PackageManager
import android.location.LocationManager
import android.os.Build
import java.io.File

/** A phone, as an app on it sees it. */
class Phone(sdk: Int) : Context() {
  val granted = mutableSetOf<String>()
  val location = LocationManager()
  val opened = mutableListOf<Intent>()
  val resolver = ContentResolver()
  val receivers = mutableListOf<Pair<BroadcastReceiver, IntentFilter>>()
  var lowEnergy = true
  /** Started, and not unlocked since. */
  var locked = false
  /** Nobody has such a page. */
  var refuses = emptySet<String>()
  private val kept = mutableMapOf<String, Boolean>()
  private val cache = File(System.getProperty("java.io.tmpdir"), "postern-phone-${System.nanoTime()}")

  init {
    Build.VERSION.SDK_INT = sdk
    BluetoothAdapter.phone = BluetoothAdapter()
  }

  override fun checkSelfPermission(permission: String): Int = if (permission in granted) 0 else -1

  override fun getSharedPreferences(name: String, mode: Int): SharedPreferences {
    if (locked) throw IllegalStateException("not available until after user is unlocked")
    return preferences(name)
  }

  private fun preferences(name: String) =
    object : SharedPreferences {
      override fun getBoolean(key: String, otherwise: Boolean): Boolean = kept["$name/$key"] ?: otherwise

      override fun edit(): SharedPreferences.Editor =
        object : SharedPreferences.Editor {
          override fun putBoolean(key: String, value: Boolean): SharedPreferences.Editor {
            kept["$name/$key"] = value
            return this
          }

          override fun apply() {}
        }
    }

  @Suppress("UNCHECKED_CAST")
  override fun <T> getSystemService(service: Class<T>): T =
    when (service) {
      BluetoothManager::class.java -> BluetoothManager() as T
      LocationManager::class.java -> location as T
      else -> throw AssertionError("no service $service")
    }

  override fun getPackageManager(): PackageManager =
    object : PackageManager() {
      override fun hasSystemFeature(name: String): Boolean = name == FEATURE_BLUETOOTH_LE && lowEnergy
    }

  override fun getContentResolver(): ContentResolver = resolver

  override fun getCacheDir(): File = cache

  override fun getPackageName(): String = "app.postern"

  override fun startActivity(intent: Intent) {
    if (intent.action in refuses) throw android.content.ActivityNotFoundException()
    check(intent.flags and Intent.FLAG_ACTIVITY_NEW_TASK != 0) { "an application starts nothing in a task of its own" }
    opened.add(intent)
  }

  override fun registerReceiver(receiver: BroadcastReceiver, filter: IntentFilter): Intent? {
    check(Build.VERSION.SDK_INT < 33) { "Android 13 wants to know whether others may send" }
    receivers.add(receiver to filter)
    return null
  }

  override fun registerReceiver(receiver: BroadcastReceiver, filter: IntentFilter, flags: Int): Intent? {
    check(Build.VERSION.SDK_INT >= 33 && flags == RECEIVER_NOT_EXPORTED)
    receivers.add(receiver to filter)
    return null
  }

  fun broadcast(action: String) {
    for ((receiver, filter) in receivers) if (action in filter.actions) receiver.onReceive(this, Intent(action))
  }
}

/** The screen with a customer before it, who answers as the test says. */
class Customer(private val phone: Phone) : Bluetooth.Screen {
  /** To our words; none: they read on. */
  var goesOn: Boolean? = true
  /** To Android's own question. */
  var allows = true
  val read = mutableListOf<Boolean>()
  val requested = mutableListOf<List<String>>()
  private var refusals = 0

  override fun onScreen(act: () -> Unit) = act()

  override fun explain(location: Boolean, answered: (Boolean) -> Unit) {
    read.add(location)
    goesOn?.let(answered)
  }

  override fun request(permissions: Array<String>, answered: () -> Unit) {
    requested.add(permissions.toList())
    if (allows) phone.granted.addAll(permissions) else refusals++
    answered()
  }

  /** Android: after one refusal yes, after two no more. */
  override fun wouldAskAgain(permission: String): Boolean = refusals == 1
}
