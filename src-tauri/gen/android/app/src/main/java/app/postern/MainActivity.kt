package app.postern

import android.content.Context
import android.os.Bundle
import androidx.activity.enableEdgeToEdge
import com.google.android.material.dialog.MaterialAlertDialogBuilder

private const val PREFERENCES = "permissions"
private const val EXPLAINED = "bluetooth_explained"

/** The one window. The page keeps clear of bars and notches by itself (safe areas), so it is drawn under them. */
class MainActivity : TauriActivity() {
  override fun onCreate(savedInstanceState: Bundle?) {
    enableEdgeToEdge()
    super.onCreate(savedInstanceState)
    // A rotation must not ask again while the first question is still on the screen.
    if (savedInstanceState == null) {
      askForBluetooth()
    }
  }

  /**
   * Says what Bluetooth is for before Android asks. Once: who says no is not asked at every start. The page then says
   * that doors are opened with a code, and leads to the system's settings.
   */
  private fun askForBluetooth() {
    val preferences = getSharedPreferences(PREFERENCES, Context.MODE_PRIVATE)
    if (Bluetooth.allowed(this) || preferences.getBoolean(EXPLAINED, false)) {
      return
    }
    val rationale =
      if (Bluetooth.needsLocation) R.string.bluetooth_rationale_location else R.string.bluetooth_rationale
    MaterialAlertDialogBuilder(this)
      .setTitle(R.string.bluetooth_title)
      .setMessage(rationale)
      .setPositiveButton(R.string.bluetooth_go_on) { _, _ ->
        preferences.edit().putBoolean(EXPLAINED, true).apply()
        requestPermissions(Bluetooth.permissions) {}
      }
      .setNegativeButton(R.string.bluetooth_not_now) { _, _ ->
        preferences.edit().putBoolean(EXPLAINED, true).apply()
      }
      .show()
  }
}
