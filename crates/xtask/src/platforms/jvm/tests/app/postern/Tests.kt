package app.postern

import android.bluetooth.BluetoothAdapter
import android.bluetooth.le.ScanSettings
import android.content.Intent
import android.location.LocationManager
import android.os.Build
import android.provider.Settings
import com.nonpolynomial.btleplug.android.impl.LinkTests
import com.nonpolynomial.btleplug.android.impl.ScanOptions
import java.io.File

private class Told : Bluetooth.Listener {
  val states = mutableListOf<Int>()
  val failures = mutableListOf<Int>()

  override fun changed(state: Int) {
    states.add(state)
  }

  override fun scanFailed(code: Int) {
    failures.add(code)
  }

  val last
    get() = states.last()
}

private fun begin(sdk: Int): Triple<Phone, Customer, Told> {
  val phone = Phone(sdk)
  val told = Told()
  Bluetooth.begin(phone, told)
  return Triple(phone, Customer(phone), told)
}

private fun same(actual: Any?, expected: Any?) = check(actual == expected) { "$actual, not $expected" }

private fun tap(action: String? = "tap", source: String? = "{}") =
  Intent(Intent.ACTION_MAIN).apply {
    texts["NotificationUserAction"] = action
    texts["LocalNotficationObject"] = source
  }

private fun page(phone: Phone) = phone.opened.last().action

private val TESTS: List<Pair<String, () -> Unit>> =
  listOf(
    "nobody is asked before they want anything" to
      {
        val (_, customer, told) = begin(34)
        Bluetooth.shown(customer)
        same(told.last, Bluetooth.NOT_ASKED)
        same(customer.read.size, 0)
      },
    "the first search asks, the reason first, and goes on when that is allowed" to
      {
        val (_, customer, told) = begin(34)
        Bluetooth.shown(customer)
        check(Bluetooth.ask())
        same(customer.read, listOf(false))
        same(customer.requested.single().map { it.substringAfterLast('.') }, listOf("BLUETOOTH_SCAN", "BLUETOOTH_CONNECT"))
        same(told.last, Bluetooth.ON)
      },
    "up to Android 11 the reason is the location, and so is what is asked for" to
      {
        val (phone, customer, told) = begin(30)
        Bluetooth.shown(customer)
        Bluetooth.ask()
        same(customer.read, listOf(true))
        same(customer.requested.single(), listOf("android.permission.ACCESS_FINE_LOCATION"))
        same(told.last, Bluetooth.ON)
        phone.location.on = false
        phone.broadcast(LocationManager.MODE_CHANGED_ACTION)
        same(told.last, Bluetooth.LOCATION_OFF)
        check(Bluetooth.openSettings(phone))
        same(page(phone), Settings.ACTION_LOCATION_SOURCE_SETTINGS)
      },
    "Android 8 is asked about the location in its own way" to
      {
        val (phone, customer, told) = begin(26)
        Bluetooth.shown(customer)
        Bluetooth.ask()
        same(told.last, Bluetooth.ON)
        phone.location.on = false
        Bluetooth.tell()
        same(told.last, Bluetooth.LOCATION_OFF)
      },
    "from Android 12 on nobody looks at the location" to
      {
        val (phone, customer, told) = begin(31)
        phone.location.on = false
        Bluetooth.shown(customer)
        Bluetooth.ask()
        same(told.last, Bluetooth.ON)
      },
    "not now is a no, and the button asks again" to
      {
        val (phone, customer, told) = begin(34)
        Bluetooth.shown(customer)
        customer.goesOn = false
        Bluetooth.ask()
        same(told.last, Bluetooth.DENIED)
        same(customer.requested.size, 0)
        customer.goesOn = true
        check(Bluetooth.openSettings(phone))
        same(told.last, Bluetooth.ON)
        same(phone.opened.size, 0)
      },
    "no to Android once can be asked again, and after that only in the settings" to
      {
        val (phone, customer, told) = begin(34)
        Bluetooth.shown(customer)
        customer.allows = false
        Bluetooth.ask()
        same(told.last, Bluetooth.DENIED)
        check(Bluetooth.openSettings(phone))
        same(customer.requested.size, 2)
        check(Bluetooth.openSettings(phone))
        same(customer.requested.size, 2)
        same(page(phone), Settings.ACTION_APPLICATION_DETAILS_SETTINGS)
        same(phone.opened.last().data.toString(), "package:app.postern")
        // Allowed there, and back in the app.
        phone.granted.addAll(customer.requested.last())
        Bluetooth.shown(customer)
        same(told.last, Bluetooth.ON)
      },
    "what was allowed can be taken away" to
      {
        val (phone, customer, told) = begin(34)
        Bluetooth.shown(customer)
        Bluetooth.ask()
        phone.granted.clear()
        Bluetooth.shown(customer)
        same(told.last, Bluetooth.DENIED)
      },
    "off and on are told as they happen, and the button switches on" to
      {
        val (phone, customer, told) = begin(34)
        Bluetooth.shown(customer)
        Bluetooth.ask()
        BluetoothAdapter.phone.enabled = false
        phone.broadcast(BluetoothAdapter.ACTION_STATE_CHANGED)
        same(told.last, Bluetooth.OFF)
        check(Bluetooth.openSettings(phone))
        same(page(phone), BluetoothAdapter.ACTION_REQUEST_ENABLE)
        phone.refuses = setOf(BluetoothAdapter.ACTION_REQUEST_ENABLE)
        check(Bluetooth.openSettings(phone))
        same(page(phone), Settings.ACTION_BLUETOOTH_SETTINGS)
        phone.refuses += Settings.ACTION_BLUETOOTH_SETTINGS
        check(!Bluetooth.openSettings(phone))
        BluetoothAdapter.phone.enabled = true
        phone.broadcast(BluetoothAdapter.ACTION_STATE_CHANGED)
        same(told.last, Bluetooth.ON)
      },
    "a phone without Bluetooth LE says so" to
      {
        val (phone, _, told) = begin(34)
        phone.lowEnergy = false
        Bluetooth.tell()
        same(told.last, Bluetooth.ABSENT)
        phone.lowEnergy = true
        BluetoothAdapter.phone = null
        Bluetooth.tell()
        same(told.last, Bluetooth.ABSENT)
      },
    "a phone that was not unlocked yet has nobody to ask, and nothing breaks" to
      {
        val (phone, customer, told) = begin(34)
        phone.locked = true
        Bluetooth.tell()
        same(told.last, Bluetooth.NOT_ASKED)
        phone.locked = false
        Bluetooth.shown(customer)
        Bluetooth.ask()
        same(told.last, Bluetooth.ON)
      },
    "one question at a time, and none where there is no screen" to
      {
        val (_, customer, _) = begin(34)
        Bluetooth.shown(customer)
        customer.goesOn = null
        Bluetooth.ask()
        Bluetooth.ask()
        same(customer.read.size, 1)
        Bluetooth.gone(customer)
        check(!Bluetooth.ask())
        Bluetooth.shown(customer)
        customer.goesOn = true
        Bluetooth.ask()
        same(customer.read.size, 2)
      },
    "who dials hears at once, who listens spares the battery" to
      {
        begin(34)
        Bluetooth.scanEagerly(true)
        same(ScanOptions.mode, ScanSettings.SCAN_MODE_LOW_LATENCY)
        Bluetooth.scanEagerly(false)
        same(ScanOptions.mode, ScanSettings.SCAN_MODE_LOW_POWER)
      },
    "a scan that is refused is told" to
      {
        val (_, _, told) = begin(34)
        ScanOptions.failureListener.onScanFailed(6)
        same(told.failures, listOf(6))
      },
    "a phone is called what its owner calls it, or maker and model" to
      {
        val phone = Phone(34)
        Settings.Global.given = " Ada's Pixel "
        same(Device.name(phone), "Ada's Pixel")
        Settings.Global.given = null
        Build.MANUFACTURER = "Fairphone"
        Build.MODEL = "FP5"
        same(Device.name(phone), "Fairphone FP5")
        Build.MODEL = "Fairphone 6"
        same(Device.name(phone), "Fairphone 6")
      },
    "the version of the web view is read, or nothing is said of it" to
      {
        same(Device.major("138.0.7204.63"), 138)
        same(Device.major("unknown"), null)
        same(Device.major(null), null)
      },
    "a tap on a notification is told with what was given along" to
      {
        same(Tap.of(tap(source = "{\"summary\":\"r-1\"}")), "{\"summary\":\"r-1\"}")
      },
    "a start by hand, from among the recent apps, or by anything else is no tap" to
      {
        same(Tap.of(null), null)
        same(Tap.of(Intent(Intent.ACTION_MAIN)), null)
        same(Tap.of(tap(action = "dismiss")), null)
        same(Tap.of(tap(action = null)), null)
        same(Tap.of(tap(source = null)), null)
        same(Tap.of(Intent(Intent.ACTION_VIEW).apply { texts = tap().texts }), null)
        same(Tap.of(tap().addFlags(Intent.FLAG_ACTIVITY_LAUNCHED_FROM_HISTORY)), null)
        same(Tap.of(tap().apply { texts = null }), null)
      },
    "a link is followed once, and not again from among the recent apps or when an activity is put back" to
      {
        val link = Intent(Intent.ACTION_VIEW)
        same(Tap.isOld(link, restored = false), false)
        same(Tap.isOld(link, restored = true), true)
        same(Tap.isOld(null, restored = false), false)
        same(Tap.isOld(Intent(Intent.ACTION_VIEW).addFlags(Intent.FLAG_ACTIVITY_LAUNCHED_FROM_HISTORY), restored = false), true)
      },
    "a file is among the downloads when it is whole" to
      {
        val phone = Phone(34)
        check(Files.save(phone, "pass.png", "image/png", byteArrayOf(1, 2, 3)))
        val entry = phone.resolver.entries.values.single()
        same(entry.values["_display_name"], "pass.png")
        same(entry.values["mime_type"], "image/png")
        same(entry.values["is_pending"], 0)
        same(entry.contents.toByteArray().toList(), listOf<Byte>(1, 2, 3))
      },
    "a file that cannot be written leaves nothing, and is not said to be saved" to
      {
        val phone = Phone(34)
        phone.resolver.full = true
        check(!Files.save(phone, "pass.png", "image/png", byteArrayOf(1)))
        same(phone.resolver.entries.size, 0)
        phone.resolver.refuses = true
        check(!Files.save(phone, "pass.png", "image/png", byteArrayOf(1)))
      },
    "whatever the provider of files throws or leaves undone, nothing ends and nothing is left" to
      {
        val refusals =
          listOf<RuntimeException>(
            SecurityException("not yours"),
            IllegalStateException("volume not found"),
            IllegalArgumentException("unsupported"),
            NullPointerException(),
          )
        val ways =
          listOf<android.content.ContentResolver.(RuntimeException) -> Unit>(
            { refusesStream = it },
            { refusesUpdate = it },
            { silent = true },
            { forgetful = true },
          )
        for (refusal in refusals) for (way in ways) for (stubborn in listOf(false, true)) {
          val phone = Phone(34)
          phone.resolver.way(refusal)
          if (stubborn) phone.resolver.refusesDelete = refusal
          check(!Files.save(phone, "pass.png", "image/png", byteArrayOf(1)))
          same(phone.resolver.entries.size, if (stubborn) 1 else 0)
        }
      },
    "up to Android 9 the customer chooses who takes it" to
      {
        val phone = Phone(28)
        check(Files.save(phone, "pass.png", "image/png", byteArrayOf(7)))
        val chooser = phone.opened.single()
        val lent = chooser.target.extras[Intent.EXTRA_STREAM].toString()
        same(lent, "content://app.postern.fileprovider/shared/pass.png")
        check(chooser.flags and Intent.FLAG_GRANT_READ_URI_PERMISSION != 0)
        same(File(phone.cacheDir, "shared/pass.png").readBytes().toList(), listOf<Byte>(7))
        phone.cacheDir.deleteRecursively()
      },
  )

/** Each test by name; the first that fails ends it. */
fun main() {
  var failed = 0
  for ((name, test) in TESTS + LinkTests.all().map { (name, test) -> name to { test.run() } }) {
    try {
      test()
      println("ok: $name")
    } catch (failure: Throwable) {
      failed++
      println("FAILED: $name")
      failure.printStackTrace(System.out)
    }
  }
  if (failed > 0) throw AssertionError("$failed failed")
}
